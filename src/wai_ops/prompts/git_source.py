"""A prompt as a git revision has it: `git` reads objects, no shell, nothing is checked out.

What a revision holds is data of somebody else. The revision is first turned into the id of a
commit; from then on only ids and literal paths go to `git`, behind options that end option
parsing. Links, submodules and what is too large are refused as in the working tree; filters, text
conversion and replaced objects stay out.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wai_ops.core.secret_names import without_secrets
from wai_ops.core.text import one_line
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import MAX_BYTES, check_relative
from wai_ops.prompts.names import check_prompt_name
from wai_ops.prompts.source import Source, parse_source

SELECTOR = "git:"
TIMEOUT_S = 20.0
_REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./@{}^~+#-]{0,199}\Z")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\n?\Z")
_ENTRY = re.compile(r"(?P<mode>\d{6}) (?P<kind>\w+) (?P<id>[0-9a-f]{40,64}) +(?P<size>\d+|-)\t")
_PLAIN_FILES = ("100644", "100755")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A commit, and where `prompts/` lies in its tree."""

    folder: Path
    commit: str

    @property
    def version(self) -> str:
        """How the prompt of a commit is named: `git-` and 12 hex digits."""
        return f"git-{self.commit[:12]}"


def find_revision(folder: Path, text: str) -> Revision:
    """Turn what a user calls a revision into a commit. `folder` is `prompts/` in the working tree.

    Raises PromptError when it is none, or when this is no repository.
    """
    if not _REVISION.match(text) or ".." in text:
        raise PromptError(
            f"{one_line(text, 80)!r} is no git revision",
            hint="a branch, a tag, a commit or HEAD~1; ranges and searches are not taken",
        )
    arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}")
    done = run_git(folder, *arguments)
    found = done.stdout.decode("ascii", "replace")
    if done.returncode or not _COMMIT.match(found):
        reason = one_line(done.stderr.decode("utf-8", "replace"), 200)
        raise PromptError(
            f"git knows no revision {one_line(text, 80)!r}" + (f": {reason}" if reason else ""),
            where=folder.name,
            hint="see: git log --oneline -- prompts/",
        )
    return Revision(folder=folder, commit=found.strip())


def load_at(revision: Revision, name: str) -> Source:
    """Load a prompt with everything it names, as the commit has it. Raises PromptError."""
    check_prompt_name(name)
    return parse_source(name, lambda path: read_blob(revision, path))


def read_blob(revision: Revision, relative: str, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file below `prompts/` in the commit. Raises PromptError."""
    where = f"{revision.commit[:12]}:{revision.folder.name}/{one_line(relative)}"
    check_relative(relative, where)
    arguments = ("ls-tree", "-z", "--long", "--end-of-options", revision.commit, "--", relative)
    listed = _checked(run_git(revision.folder, *arguments), where)
    entry = _ENTRY.match(listed.decode("utf-8", "surrogateescape"))
    if entry is None:
        raise PromptError("is not in that revision", where=where)
    if entry["mode"] not in _PLAIN_FILES or entry["kind"] != "blob":
        raise PromptError("is not a regular file: links are not followed", where=where)
    if entry["size"] == "-" or int(entry["size"]) > limit:
        raise PromptError(f"is larger than {limit} bytes", where=where)
    return _checked(run_git(revision.folder, "cat-file", "blob", entry["id"]), where)


def _checked(done: "subprocess.CompletedProcess[bytes]", where: str) -> bytes:
    if done.returncode:
        reason = one_line(done.stderr.decode("utf-8", "replace"), 200)
        raise PromptError(f"git cannot read it: {reason}", where=where)
    return done.stdout


def run_git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run `git` in a folder: no shell, no secrets, literal paths. Raises PromptError."""
    command = ["git", "--no-pager", "--no-replace-objects", "--literal-pathspecs", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - a list; ids, checked names and literal paths
            command,
            cwd=folder,
            env=_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        # Either git, or the folder that it was to run in.
        what = "git is not installed" if folder.is_dir() else "there is no such folder"
        raise PromptError(what, where=folder.name) from error
    except OSError as error:
        raise PromptError(f"git cannot be run: {error.strerror}", where=folder.name) from error
    except subprocess.TimeoutExpired as error:
        raise PromptError(
            f"git took longer than {TIMEOUT_S:.0f} seconds", where=folder.name
        ) from error


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Of this process without its secrets; nothing fetched, asked for or written on the way."""
    return {
        **without_secrets(environ),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
