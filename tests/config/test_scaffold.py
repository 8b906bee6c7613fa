"""`wai init`: files that load, and nothing that was there is lost."""

import re
from pathlib import Path

import pytest

from wai_ops.config.environment import variables
from wai_ops.config.load import default_origins, load_settings, validate_file
from wai_ops.config.scaffold import write_scaffold
from wai_ops.config.settings import Settings, Target
from wai_ops.config.template import WAI_YAML
from wai_ops.core.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


def uncommented(text: str) -> str:
    """The template with every commented-out setting switched on."""
    setting = re.compile(
        r'^(\s*)# ((?: *)(?:[A-Za-z][A-Za-z0-9_]*|"@[^"]+"):(?: .*)?)$', re.MULTILINE
    )
    return setting.sub(r"\1\2", text)


@pytest.mark.parametrize("target", list(Target))
def test_what_init_writes_is_valid_and_changes_nothing_but_the_target(
    tmp_path: Path, target: Target
) -> None:
    done = write_scaffold(tmp_path, target=target)
    assert done.written == ("wai.yaml", "prompts/triage.prompt", ".gitignore")
    settings = load_settings(tmp_path, {"HOME": "/h"})
    assert settings.target is target
    expected = Settings(target=target, state_dir=tmp_path / ".wai")
    for name in (
        "account_id",
        "gateway",
        "defaults",
        "affinity",
        "timeouts",
        "retry",
        "local",
        "prices",
        "state_dir",
        "credentials_file",
        "base_url",
    ):
        assert getattr(settings, name) == getattr(expected, name), name
    assert "{{ ticket }}" in (tmp_path / "prompts/triage.prompt").read_text()


def test_every_line_of_the_template_is_valid_and_shows_the_default(tmp_path: Path) -> None:
    text = uncommented(WAI_YAML.format(target="cloudflare"))
    assert not re.search(r"^\s*# [a-z][a-z0-9_]*:", text, flags=re.M)  # noqa: FURB167
    (tmp_path / "wai.yaml").write_text(text)
    settings = validate_file(tmp_path / "wai.yaml", {"HOME": "/h"}, label="wai.yaml")
    defaults = Settings()
    for name in ("affinity", "timeouts", "retry", "local", "gateway"):
        assert getattr(settings, name) == getattr(defaults, name), name
    not_shown = {name for name, origin in settings.origins.items() if origin == "default"}
    assert not_shown == {"base_url", "gateway_base_url"}


def test_the_documentation_names_every_setting_and_variable() -> None:
    text = DOCS.read_text("utf-8")
    for name in default_origins(Settings()):
        assert f"`{name}`" in text, name
    for variable in (*variables(), "CLOUDFLARE_API_TOKEN", "WAI_OPERATOR_TOKEN"):
        assert f"`{variable}`" in text, variable


def test_nothing_is_overwritten_and_nothing_is_half_done(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    prompt = tmp_path / "prompts/triage.prompt"
    prompt.write_text("mine")
    with pytest.raises(UsageError) as caught:
        write_scaffold(tmp_path, target=Target.LOCAL)
    assert (caught.value.where, caught.value.exit_code) == (str(prompt), 2)
    assert not (tmp_path / "wai.yaml").exists()
    assert prompt.read_text() == "mine"
    prompt.unlink()
    (tmp_path / "wai.yaml").write_text("gateway: mine\n")
    with pytest.raises(UsageError) as caught:
        write_scaffold(tmp_path, target=Target.LOCAL)
    assert caught.value.where == str(tmp_path / "wai.yaml")
    assert caught.value.hint == "edit it, or replace it with --force"
    assert (tmp_path / "wai.yaml").read_text() == "gateway: mine\n"


def test_force_replaces_the_config_and_keeps_the_prompt(tmp_path: Path) -> None:
    write_scaffold(tmp_path, target=Target.CLOUDFLARE)
    (tmp_path / "prompts/triage.prompt").write_text("mine")
    done = write_scaffold(tmp_path, target=Target.LOCAL, is_forced=True)
    assert done.written == ("wai.yaml",)
    assert "target: local" in (tmp_path / "wai.yaml").read_text()
    assert (tmp_path / "prompts/triage.prompt").read_text() == "mine"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ".wai/\n"),
        ("build/\n", "build/\n.wai/\n"),
        ("build/", "build/\n.wai/\n"),
        (".wai\n", ".wai\n"),
        ("/.wai/\nx\n", "/.wai/\nx\n"),
    ],
)
def test_the_state_folder_is_ignored_once(tmp_path: Path, before: str | None, after: str) -> None:
    if before is not None:
        (tmp_path / ".gitignore").write_text(before)
    write_scaffold(tmp_path, target=Target.LOCAL)
    assert (tmp_path / ".gitignore").read_text() == after


def test_a_folder_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_scaffold(tmp_path / "file" / "sub", target=Target.LOCAL)
