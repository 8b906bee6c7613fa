"""Records name who acts and with which credential, and hold nothing of it."""

import os
import pwd
from pathlib import Path

from wai_ops.cli.actor import actor_of, credential_id_of
from wai_ops.cli.context import AppContext
from wai_ops.config.credentials import Role
from wai_ops.config.variables import has_settings


def app_in(folder: Path) -> AppContext:
    """The surroundings of a command with its own state folder."""
    folder.mkdir(exist_ok=True)
    return AppContext(environ={"WAI_STATE_DIR": str(folder / ".wai")}, cwd=folder)


def test_the_actor_is_who_was_named_else_the_ci_job_else_the_user_of_the_system() -> None:
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_RUN_ID": "77",
        "GITHUB_ACTOR": "ana",
        "USER": "somebody-else",
    }
    assert actor_of({**github, "WAI_ACTOR": " ana@acme "}) == "ana@acme"
    assert actor_of(github) == "ci:github:acme/shop/77/ana"
    assert actor_of({"BUILDKITE": "true"}) == "ci:buildkite:unnamed"
    assert actor_of({"USER": "somebody-else"}) == f"os:{pwd.getpwuid(os.geteuid()).pw_name}"


def test_naming_an_actor_is_no_setting() -> None:
    assert not has_settings({"WAI_ACTOR": "ana@acme"})
    assert has_settings({"WAI_ACTORS": "ana@acme"}), "an unknown name is looked at"


def test_an_actor_is_one_clean_line() -> None:
    assert "\n" not in actor_of({"WAI_ACTOR": "a\nb\x1b[31m"})
    assert "\x1b" not in actor_of({"WAI_ACTOR": "a\nb\x1b[31m"})
    assert len(actor_of({"WAI_ACTOR": "x" * 5000})) <= 200


def test_a_credential_has_one_name_in_a_state_folder_and_another_one_elsewhere(
    tmp_path: Path,
) -> None:
    token = "v1.0-0123456789abcdef-secret"
    here, there = app_in(tmp_path / "here"), app_in(tmp_path / "there")
    name = credential_id_of(here, Role.RUNTIME, token)
    assert name == credential_id_of(here, Role.RUNTIME, token)
    assert name != credential_id_of(here, Role.RUNTIME, token + "x")
    assert name != credential_id_of(there, Role.RUNTIME, token)
    assert name.startswith("runtime:")
    assert not any(token[at : at + 6] in name for at in range(len(token) - 5))
