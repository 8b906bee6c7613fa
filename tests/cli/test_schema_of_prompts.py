"""`wai schema` describes what the commands on prompts print with --json."""

import json

import pytest
from jsonschema import Draft202012Validator

from support.cli import Wai
from wai_ops.cli.schema import schema_of

PROMPT = """\
---
variables: {ticket: string}
---
{% role system %}
Be brief.
{% role user %}
{{ ticket }}
"""


@pytest.fixture
def triage(wai: Wai) -> Wai:
    """A project with two versions of a prompt, the first of them released."""
    wai.environ |= {"GIT_AUTHOR_EMAIL": "ann@example.com"}
    folder = wai.folder / "prompts"
    folder.mkdir()
    (folder / "triage.prompt").write_text(PROMPT)
    assert wai("prompts", "freeze", "-m", "one", "--author", "ann").exit_code == 0
    assert wai("prompts", "promote", "triage", "1", "production", "--author", "ann").exit_code == 0
    (folder / "triage.prompt").write_text(PROMPT.replace("brief", "polite"))
    (wai.folder / "old.hbs").write_text("Hello {{name}}")
    return wai


COMMANDS = {
    "prompts list": ("list",),
    "prompts show": ("show", "triage@1"),
    "prompts render": ("render", "triage", "--var", "ticket=x"),
    "prompts log": ("log", "triage"),
    "prompts label": ("label", "triage"),
    "prompts verify": ("verify",),
    "prompts lint": ("lint",),
    "prompts diff": ("diff", "triage"),
    "prompts import": ("import", "old.hbs"),
    "prompts freeze": ("freeze", "triage", "-m", "two", "--author", "ann"),
    "prompts canary": ("canary", "triage", "2", "--percent", "5", "--author", "ann"),
    "prompts promote": ("promote", "triage", "2", "production", "--author", "ann"),
    "prompts rollback": ("rollback", "triage", "--author", "ann"),
    "prompts label --remove": ("label", "triage", "--remove", "production", "--author", "ann"),
}


def test_every_answer_is_what_its_schema_says(triage: Wai) -> None:
    for name, words in COMMANDS.items():
        ran = triage("prompts", *words, "--json")
        assert ran.exit_code in {0, 1}, ran.stderr
        Draft202012Validator(schema_of(name)).validate(json.loads(ran.stdout))
