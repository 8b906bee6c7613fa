"""WP015: credentials in a prompt, its parts, tools or schema."""

from collections.abc import Iterator

from wai_ops.core.findings import Finding, Level, Rule
from wai_ops.prompts.lint.look import Look

SECRET = Rule(
    id="WP015",
    name="secret",
    level=Level.ERROR,
    why="What stands in a prompt is in the repository, in every request and in every log of it. "
    "And a model repeats it to whoever asks.",
    fix="Revoke it, take it out of the history, and let the tool that needs it hold it.",
)
RULES = (SECRET,)


def check_secrets(look: Look) -> Iterator[Finding]:
    """Look through every file that the prompt is made of. What was found is never shown."""
    for path, text in look.source.files.items():
        for found in look.options.find_secrets(text):
            line, column = _mark(text, found.start)
            yield Finding(
                rule=SECRET.id,
                level=SECRET.level,
                message=f"this looks like a credential: {found.kind}",
                file=f"prompts/{path}",
                line=line,
                column=column,
                hint=SECRET.fix,
                key=found.kind,
            )


def _mark(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")
