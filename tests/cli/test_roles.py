"""Which command works with which token: the table, and what a command does with the other one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from support.fake_api import ACCOUNT, FakeApi, running_api
from support.prompts import freeze_prompt
from wai_ops.cli.app import command_tree, run
from wai_ops.cli.roles import ROLES
from wai_ops.cli.target import open_connection
from wai_ops.config.credentials import Role
from wai_ops.core.errors import ExitCode

TOKENS = {Role.RUNTIME: "runtime-token-of-this-test", Role.OPERATOR: "operator-token-of-this-test"}
PROMPT = """---
model: "@cf/meta/llama-3.1-8b-instruct-fp8"
variables: {ticket: string}
---
Ticket: {{ ticket }}
"""
CALLS = {
    "run": ["run", "hello"],
    "chat": ["chat"],
    "prompts compare": [
        *("prompts", "compare", "triage@1", "@2", "-d", "cases.jsonl", "--yes"),
        *("--max-cost", "1"),
    ],
    "models sync": ["models", "sync"],
    "logs pull": ["logs", "pull", "--since", "1h"],
    "logs status": ["logs", "status", "--refresh", "--since", "1h"],
    "budget plan": ["budget", "plan"],
    "budget drift": ["budget", "drift"],
    "budget push": ["budget", "push", "--yes"],
    "budget import": ["budget", "import"],
    "budget rollback": ["budget", "rollback", "--yes"],
    "budget destroy": ["budget", "destroy", "--yes"],
    "budget verify": ["budget", "verify", "--no-request"],
    "budget reconcile": ["budget", "reconcile"],
    "budget lint": ["budget", "lint", "--remote"],
}
"""Each declared command as it would be called."""


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not hasattr(command, "list_commands"):
        yield " ".join(path)
        return
    for name in command.list_commands(None):
        yield from leaves(command.get_command(None, name), (*path, name))


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with running_api() as found:
        yield found


@pytest.fixture
def prepared(wai: Wai, api: FakeApi) -> Wai:
    """A project in which every command of the table comes as far as its first request."""
    config = 'version: "1"\nretry: {max_attempts: 1}\n'
    config += "budgets:\n  all: {limit_usd: 5, window: daily}\n"
    (wai.folder / "wai.yaml").write_text(config)
    freeze_prompt(wai.folder, "triage", PROMPT)
    freeze_prompt(wai.folder, "triage", PROMPT.replace("Ticket", "The ticket"))
    case = {"id": "c1", "vars": {"ticket": "late"}, "assert": [{"contains": "x"}]}
    (wai.folder / "cases.jsonl").write_text(json.dumps(case) + "\n")
    wai.environ |= {"CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "CLOUDFLARE_BASE_URL": api.base_url}
    return wai


def test_every_command_of_the_table_exists_and_is_called_here() -> None:
    assert set(ROLES) <= set(leaves(command_tree()))
    assert set(CALLS) == set(ROLES) - {"doctor"}
    assert all(len(roles) == 1 for command, roles in ROLES.items() if command != "doctor")


@pytest.mark.parametrize("command", CALLS)
def test_with_the_other_token_alone_a_command_says_which_is_missing_and_sends_nothing(
    prepared: Wai, api: FakeApi, command: str
) -> None:
    (role,) = ROLES[command]
    other = Role.OPERATOR if role is Role.RUNTIME else Role.RUNTIME
    prepared.environ[other.variable] = TOKENS[other]
    ran = prepared(*CALLS[command], stdin="hello\n")
    assert ran.exit_code == ExitCode.ACCESS, ran.stderr
    assert f"wai: error: {role.variable} is not set" in ran.stderr
    assert TOKENS[other] not in ran.stdout + ran.stderr
    assert api.seen == []


@pytest.mark.parametrize("command", CALLS)
def test_with_both_tokens_set_a_command_sends_its_own_and_never_the_other(
    prepared: Wai, api: FakeApi, command: str
) -> None:
    (role,) = ROLES[command]
    prepared.environ |= {each.variable: TOKENS[each] for each in Role}
    ran = prepared(*CALLS[command], stdin="hello\n")
    assert api.seen, ran.stderr  # nothing is routed: it fails, and what it sent has been seen
    for seen in api.seen:
        assert seen.headers["authorization"] == f"Bearer {TOKENS[role]}"
        everything = repr((seen.path, seen.query, seen.headers, seen.body))
        assert all(TOKENS[each] not in everything for each in Role if each is not role)
    assert not any(token in ran.stdout + ran.stderr for token in TOKENS.values())
    assert not kept(prepared.folder)


def kept(folder: Path) -> list[str]:
    """The files below the project that hold a token."""
    secrets = [token.encode() for token in TOKENS.values()]
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(s in path.read_bytes() for s in secrets)]


def test_the_doctor_sends_each_token_for_itself(prepared: Wai, api: FakeApi) -> None:
    prepared.environ |= {each.variable: TOKENS[each] for each in Role}
    prepared("doctor", "--json")
    sent = {seen.headers["authorization"] for seen in api.seen}
    assert sent == {f"Bearer {token}" for token in TOKENS.values()}


def test_a_command_that_declares_no_role_gets_no_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Asked inside of a real command, in the way that any command would ask."""
    from wai_ops.config import show

    monkeypatch.chdir(tmp_path)
    asked: list[str] = []

    def ask(*_: object) -> None:
        from wai_ops.cli.context import AppContext

        for role in Role:
            with (
                pytest.raises(RuntimeError, match="does not declare") as caught,
                open_connection(AppContext(environ={}, cwd=tmp_path), role=role),
            ):
                pass
            asked.append(str(caught.value))
        raise KeyError("enough")

    monkeypatch.setattr(show, "settings_table", ask)
    with pytest.raises(KeyError, match="enough"):
        run(["config", "show"])
    assert asked == [
        f"`wai config show` does not declare the {role.value} role: see cli/roles.py"
        for role in Role
    ]


def test_from_python_a_role_needs_no_command(tmp_path: Path) -> None:
    """`open_connection` serves scripts as well: there the caller says which role it has."""
    from wai_ops.cli.context import AppContext
    from wai_ops.core.errors import AccessError

    app = AppContext(environ={}, cwd=tmp_path)
    with pytest.raises(AccessError), open_connection(app, role=Role.OPERATOR):
        pass
