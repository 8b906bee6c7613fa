"""Check what the documents claim: links, commands, and the version on top of the changelog.

python scripts/check_docs.py     exit 1 and name each claim that does not hold
"""

import re
import shlex
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from generator.model import Command, read_tree

ROOT = Path(__file__).resolve().parents[1]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_VERSION = re.compile(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", re.MULTILINE)
_COMMAND = re.compile(r"^(?:\$ )?(wai(?: .*)?)$", re.MULTILINE)
_SHELL_BLOCKS = ("sh", "console")


def main() -> int:
    """Print every problem; return the exit code."""
    sys.path.insert(0, str(ROOT / "src"))
    from wai_ops.cli.app import command_tree

    tree = read_tree(command_tree())
    documents = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
    problems = list(check_version(ROOT / "CHANGELOG.md"))
    for document in documents:
        text = document.read_text("utf-8")
        name = document.relative_to(ROOT).as_posix()
        problems += [f"{name}: {problem}" for problem in check_links(document, text)]
        problems += [f"{name}: {problem}" for problem in check_commands(text, tree)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def check_version(changelog: Path) -> Iterator[str]:
    """The newest version of the changelog is the package's."""
    from wai_ops._version import __version__

    found = _VERSION.search(changelog.read_text("utf-8"))
    newest = found.group(1) if found else "none"
    if newest != __version__:
        yield f"{changelog.name}: its newest version is {newest}, the package's is {__version__}"


def check_links(document: Path, text: str) -> Iterator[str]:
    """Every relative link leads to a file, and to a heading where it names one."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if "://" in target or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file) if file else document
        if not path.exists():
            yield f"link to {target}: no such file"
        elif anchor and anchor not in anchors(path.read_text("utf-8")):
            yield f"link to {target}: no such heading"


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, dashes for spaces, other signs dropped."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def check_commands(text: str, tree: Command) -> Iterator[str]:
    """Every `wai` line of a shell block names commands and options that exist."""
    for kind, body in _FENCE.findall(text):
        if kind in _SHELL_BLOCKS:
            for line in _COMMAND.findall(body.replace("\\\n", " ")):
                yield from check_command(line, tree)


def own_words(line: str) -> list[str]:
    """The words up to a pipe, a redirection or the next command; those within quotes count not."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: word[0] not in "|><&;" if word else True, lexer))


def check_command(line: str, tree: Command) -> Iterator[str]:
    """One command line; what stands after a pipe or redirection is another program's."""
    command = tree
    rest = iter(own_words(line)[1:])
    for word in rest:
        if word.startswith("-") and len(word) > 1:
            name = word.partition("=")[0]
            option = next((o for o in command.options if name in o.names), None)
            if option is None:
                yield f"`{line}`: {command.name} has no option {name}"
            elif option.value is not None and "=" not in word:
                next(rest, None)
        elif command.children:
            child = next((c for c in command.children if c.path[-1] == word), None)
            if child is None:
                yield f"`{line}`: {command.name} has no command {word}"
                return
            command = child


if __name__ == "__main__":
    sys.exit(main())
