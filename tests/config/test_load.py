"""Settings: defaults < wai.yaml < environment, every value with its origin."""

import os
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from pathlib import Path

import pytest

from wai_ops.config.environment import unknown_variables, variables
from wai_ops.config.load import default_origins, load_settings, validate_file
from wai_ops.config.locations import user_data_dir
from wai_ops.config.settings import AffinityHeader, Settings, Target
from wai_ops.core.errors import UsageError


def problems_of(cwd: Path, environ: dict[str, str]) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load_settings(cwd, environ)
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def test_without_a_file_the_defaults_hold_and_state_goes_to_the_users_data(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {"HOME": "/home/ada"})
    expected = Settings(
        state_dir=Path("/home/ada/.local/share/wai"), origins=default_origins(Settings())
    )
    assert settings == expected
    assert set(settings.origins.values()) == {"default"}


def test_the_users_data_folder_follows_the_platform() -> None:
    home = {"HOME": "/h"}
    assert user_data_dir(home | {"XDG_DATA_HOME": "/x"}, "linux") == Path("/x/wai")
    assert user_data_dir(home | {"XDG_DATA_HOME": "not/absolute"}, "linux") == Path(
        "/h/.local/share/wai"
    )
    assert user_data_dir(home, "darwin") == Path("/h/Library/Application Support/wai")


def test_the_nearest_file_upwards_holds_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("gateway: far\n")
    near = tmp_path / "project"
    deep = near / "a" / "b"
    deep.mkdir(parents=True)
    (near / "wai.yaml").write_text("gateway: near\ncredentials_file: ../secret/c\n")
    settings = load_settings(deep, {"HOME": "/h"})
    assert settings.gateway == "near"
    assert settings.config_file == near / "wai.yaml"
    assert settings.state_dir == near / ".wai"
    assert settings.credentials_file == tmp_path / "secret" / "c"


def test_the_environment_beats_the_file_and_each_value_says_its_origin(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text(
        'version: "1"\ntarget: local\ndefaults: {tenant: acme, workflow: triage}\n'
        'affinity:\n  idle_ttl_s: 60\nprices:\n  "@cf/a/b": {input: "0.10", output: 1}\n'
    )
    environ = {
        "HOME": "/h",
        "WAI_DEFAULTS_TENANT": "beta",
        "WAI_DEFAULTS_TEMPERATURE": "0.3",
        "WAI_AFFINITY_HEADER": "plain",
        "WAI_RETRY_MAX_ATTEMPTS": "5",
        "WAI_STATE_DIR": "state",
        "CLOUDFLARE_ACCOUNT_ID": "acc1",
        "WAI_GATEWAY": "",
    }
    settings = load_settings(tmp_path, environ)
    assert settings.target is Target.LOCAL
    assert settings.defaults.tenant == "beta"
    assert settings.defaults.workflow == "triage"
    assert settings.defaults.temperature == Decimal("0.3")
    assert settings.affinity.header is AffinityHeader.PLAIN
    assert settings.retry.max_attempts == 5
    assert settings.state_dir == tmp_path / "state"
    assert settings.account_id == "acc1"
    assert settings.gateway == "default"
    assert settings.prices["@cf/a/b"].input == Decimal("0.10")
    told = {
        name: settings.origins[name]
        for name in (
            "target",
            "defaults.tenant",
            "defaults.workflow",
            "affinity.idle_ttl_s",
            "account_id",
            "gateway",
            "prices.@cf/a/b",
            "retry.base_delay_s",
        )
    }
    assert told == {
        "target": "wai.yaml:2",
        "defaults.tenant": "env WAI_DEFAULTS_TENANT",
        "defaults.workflow": "wai.yaml:3",
        "affinity.idle_ttl_s": "wai.yaml:5",
        "account_id": "env CLOUDFLARE_ACCOUNT_ID",
        "gateway": "default",
        "prices.@cf/a/b": "wai.yaml:7",
        "retry.base_delay_s": "default",
    }


def test_our_variables_beat_the_providers(tmp_path: Path) -> None:
    environ = {"HOME": "/h", "CLOUDFLARE_ACCOUNT_ID": "theirs", "WAI_ACCOUNT_ID": "ours"}
    settings = load_settings(tmp_path, environ)
    assert (settings.account_id, settings.origins["account_id"]) == ("ours", "env WAI_ACCOUNT_ID")


def test_every_setting_but_version_and_mappings_has_a_variable() -> None:
    names = set(default_origins(Settings()))
    mapped = {name for name in names if isinstance(attrgetter(name)(Settings()), Mapping)}
    assert mapped >= {"prices", "slo.workflows", "tools.families", "tools.output_tokens_p95"}
    assert names - set(variables().values()) == {"version"} | mapped
    assert variables()["WAI_TIMEOUTS_BETWEEN_CHUNKS_S"] == "timeouts.between_chunks_s"


def test_all_problems_of_file_and_environment_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text(
        """\
version: 1
target: locl
account_id: 7
gateway: "a b"
base_url: http://api.example.com/v4
gateway_base_url: https://user:hunter2@gateway.ai.cloudflare.com/v1
state_dir: ""
defaults:
  model: gemma
  tenant: "a:b"
  max_output_tokens: 0
  temperature: 9
timeouts: {connect_s: 0, totl_s: 1}
retry: {max_attempts: 11, max_cost_usd: "-1"}
prices:
  gemma: {input: 1}
  "@cf/a/b": {output: 1}
slo:
  window: month
  ttft_p95_ms: 0
  completion_ratio: 99
  workflows:
    support: {duration_p95_ms: fast, ttft_p95: 1}
    "a:b": {ttft_p95_ms: 1}
tools:
  families: {" x": x}
  output_tokens_p95: {github: -1}
"""
    )
    environ = {"WAI_TARGET": "x", "WAI_TIMEOUTS_TOTAL_S": "1_000", "WAI_RETRY_MAX_ATTEMPTS": "2.5"}
    found = problems_of(tmp_path, environ)
    golden = Path(__file__).with_name("golden") / "problems.txt"
    assert "\n".join(found) + "\n" == golden.read_text("utf-8")


def test_settings_that_contradict_each_other_name_their_origin(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("affinity: {idle_ttl_s: 100, max_age_s: 50}\n")
    assert problems_of(tmp_path, {"WAI_TIMEOUTS_CONNECT_S": "900"}) == [
        "wai.yaml:1: affinity.idle_ttl_s: is longer than affinity.max_age_s (50)",
        "env WAI_TIMEOUTS_CONNECT_S: timeouts.connect_s: is longer than timeouts.total_s (600)",
    ]


def test_a_file_cannot_send_the_token_to_another_host_but_the_environment_can(
    tmp_path: Path,
) -> None:
    (tmp_path / "wai.yaml").write_text("base_url: https://evil.example/client/v4\n")
    (found,) = problems_of(tmp_path, {})
    assert found.startswith("wai.yaml:1:11: base_url: names another host than Cloudflare's")
    (tmp_path / "wai.yaml").write_text("base_url: http://127.0.0.1:8787/client/v4\n")
    environ = {"HOME": "/h", "CLOUDFLARE_AI_GATEWAY_BASE_URL": "https://proxy.example/v1"}
    settings = load_settings(tmp_path, environ)
    assert settings.gateway_base_url == "https://proxy.example/v1"


@pytest.mark.parametrize("make", ["mkdir", "mkfifo"])
def test_something_else_in_place_of_the_file_is_said(tmp_path: Path, make: str) -> None:
    getattr(os, make)(tmp_path / "wai.yaml")
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path, {})
    assert caught.value.message == "is not a regular file"
    assert caught.value.where == str(tmp_path / "wai.yaml")


def test_validate_file_leaves_the_environment_out(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("gateway: g\n")
    assert validate_file(file, {"WAI_TARGET": "nonsense"}, label="other.yaml").gateway == "g"
    file.write_text("gatway: g\n")
    with pytest.raises(UsageError, match=r"other\.yaml:1:1: unknown key `gatway`"):
        validate_file(file, {}, label="other.yaml")


def test_unknown_variables_are_found_with_the_nearest_real_one() -> None:
    environ = {
        "WAI_GATWAY": "x",
        "WAI_QQQ": "1",
        "WAI_DEBUG": "1",
        "WAI_OPERATOR_TOKEN": "t",
        "WAI_TARGET": "local",
        "OTHER": "x",
    }
    assert unknown_variables(environ) == [("WAI_GATWAY", "WAI_GATEWAY"), ("WAI_QQQ", None)]


def test_a_tilde_means_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("credentials_file: ~/.config/wai\nstate_dir: ~/s\n")
    settings = load_settings(tmp_path, {"HOME": str(tmp_path / "home")})
    assert settings.credentials_file == tmp_path / "home/.config/wai"
    assert settings.state_dir == tmp_path / "home" / "s"
    assert replace(settings, version="1") == settings
