"""Prompts for the tests of `wai prompts lint`, and a short way to look at one."""

from collections.abc import Mapping

from wai_ops.core.findings import Finding
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.lint.look import Options
from wai_ops.prompts.lint.runner import lint_one

LONG = " ".join(f"Rule {number} holds for parcels of kind {number}." for number in range(40))
"""About 380 tokens of fixed text, no sentence twice."""
SOME = "Answer in the language of the customer and keep to what the order says, with no promise."
"""About 22 tokens: more than nothing, less than matters."""


def front(body: str, yaml: str = "") -> str:
    """A prompt with a limit, so that only what is tested is found."""
    return f"---\nparameters: {{max_output_tokens: 200}}\n{yaml}---\n{body}\n"


def declared(*names: str, **typed: str) -> str:
    """The front matter's `variables`."""
    kinds = dict.fromkeys(names, "string") | typed
    if not kinds:
        return "variables: {}\n"
    return "variables:\n" + "".join(f"  {name}: {kind}\n" for name, kind in kinds.items())


def look(
    text: str, files: Mapping[str, str] | None = None, options: Options | None = None
) -> list[Finding]:
    """What lint finds in one prompt that is called `case`."""
    texts = {"case.prompt": text, **(files or {})}

    def read(path: str) -> bytes:
        if path not in texts:
            raise PromptError("is not there", where=f"prompts/{path}")
        return texts[path].encode("utf-8", "surrogatepass")

    return [found for found, ignored in lint_one("case", read, options or Options()) if not ignored]


def rules(
    text: str, files: Mapping[str, str] | None = None, options: Options | None = None
) -> set[str]:
    """The ids of the rules that found something."""
    return {found.rule for found in look(text, files, options)}
