"""Policies as a git revision has them: `git` reads objects, nothing is checked out."""

import re
from pathlib import Path

from wai_ops.control.policy.files import MAX_BYTES, MOST_FILES, SUFFIX, Contents
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line
from wai_ops.prompts.git_source import Revision, find_revision, read_blob, run_git

_ENTRY = re.compile(rb"(?P<mode>\d{6}) (?P<kind>\w+) [0-9a-f]{40,64}\t(?P<name>.*)\Z", re.DOTALL)


def find_commit(folder: Path, text: str) -> Revision:
    """Turn what a user calls a revision into a commit. `folder`: the policies, or where they were.

    Raises UsageError when it is none, or when this is no repository.
    """
    try:
        return find_revision(folder if folder.is_dir() else folder.parent, text)
    except UsageError as error:
        raise UsageError(error.message, hint=f"see: git log --oneline -- {folder.name}/") from error


def read_revision(folder: Path, revision: Revision) -> Contents:
    """The policy files of a commit; none where it has no such folder. Raises UsageError."""
    prefix = "" if folder.is_dir() else f"{folder.name}/"
    arguments = ("ls-tree", "-z", "--end-of-options", revision.commit)
    done = run_git(revision.folder, *arguments, "--", prefix or "./")
    if done.returncode:
        reason = one_line(done.stderr.decode("utf-8", "replace"), 200)
        raise UsageError(f"git cannot list {folder.name}/: {reason}")
    found: Contents = {}
    for line in done.stdout.split(b"\0"):
        entry = _ENTRY.match(line)
        if entry is None or entry["kind"] != b"blob":
            continue
        path = entry["name"].decode("utf-8", "replace")
        name = path.rpartition("/")[2]
        if name.startswith(".") or not name.endswith(SUFFIX):
            continue
        if len(found) >= MOST_FILES:
            raise UsageError(f"the commit holds more than {MOST_FILES} policies")
        found[name] = read_blob(revision, path, limit=MAX_BYTES)
    return found
