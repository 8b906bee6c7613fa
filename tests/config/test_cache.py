"""The cache of validated settings: quick when it hits, harmless when it cannot."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from wai_ops.config.load import load_settings
from wai_ops.core.errors import UsageError

YAML = (
    'version: "1"\ntarget: local\nretry: {max_cost_usd: 0.10}\n'
    'prices: {"@cf/a/b": {input: "0.123456789012345678901", output: 2}}\n'
    "credentials_file: c\n"
)
LOAD = """
import json, os, sys
from pathlib import Path
from wai_ops.config.load import load_settings
settings = load_settings(Path.cwd(), os.environ)
print(json.dumps([settings.gateway, str(settings.state_dir),
                  sorted(set(sys.modules) & {"yaml", "pydantic", "typer", "httpx"})]))
"""


def load_in_a_fresh_process(cwd: Path, **environ: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=cwd,
        env={"HOME": str(cwd / "home"), "PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[object] = json.loads(done.stdout)
    return found


def cache_files(folder: Path) -> list[Path]:
    return sorted((folder / ".wai" / "cache").glob("*.json"))


def test_a_hit_imports_neither_parser_nor_validator(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("gateway: g1\n")
    assert load_in_a_fresh_process(tmp_path)[2] == ["pydantic", "yaml"]
    assert load_in_a_fresh_process(tmp_path) == ["g1", str(tmp_path / ".wai"), []]
    # The environment is applied after the cache, so it neither misses nor sticks.
    assert load_in_a_fresh_process(tmp_path, WAI_GATEWAY="g2")[0::2] == ["g2", []]
    assert load_in_a_fresh_process(tmp_path)[0::2] == ["g1", []]


def test_no_file_needs_neither_even_with_variables(tmp_path: Path) -> None:
    data = str(tmp_path / "home/.local/share/wai")
    assert load_in_a_fresh_process(tmp_path) == ["default", data, []]
    found = load_in_a_fresh_process(
        tmp_path, CLOUDFLARE_ACCOUNT_ID="a", WAI_GATEWAY="g", WAI_TIMEOUTS_TOTAL_S="90.5"
    )
    assert found == ["g", data, []]


@pytest.mark.parametrize("name", ["state", "'../state'", '"state"  # here', "~/state"])
def test_a_moved_state_folder_holds_the_cache_too(tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "wai.yaml").write_text(f"gateway: g\nstate_dir: {name}\n")
    load_in_a_fresh_process(project)
    assert load_in_a_fresh_process(project)[2] == []
    assert not (project / ".wai").exists()


def test_what_comes_from_the_cache_equals_what_was_validated(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text(YAML)
    first = load_settings(tmp_path, {})
    assert len(cache_files(tmp_path)) == 1
    assert load_settings(tmp_path, {}) == first


def test_the_cache_is_private_and_kept_out_of_version_control(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text(YAML)
    load_settings(tmp_path, {"CLOUDFLARE_API_TOKEN": "s3cr3t", "WAI_OPERATOR_TOKEN": "s3cr3t"})
    (file,) = cache_files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".wai").stat().st_mode) == 0o700
    assert (tmp_path / ".wai" / ".gitignore").read_text() == "*\n"
    assert "s3cr3t" not in file.read_text()


def test_a_changed_file_is_validated_again_and_old_entries_are_pruned(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "wai.yaml").write_text(f"gateway: g{number}\n")
        assert load_settings(tmp_path, {}).gateway == f"g{number}"
    assert len(cache_files(tmp_path)) == 8


def test_a_file_with_problems_is_never_cached(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("gatway: g\n")
    for _ in range(2):
        with pytest.raises(UsageError, match="unknown key `gatway`"):
            load_settings(tmp_path, {})
    assert cache_files(tmp_path) == []


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"settings": {}, "origins": {}}',
        b"\xff",
        b"\0" * 100,
        b'{"settings": 1}',
    ],
)
def test_a_damaged_entry_is_ignored_and_written_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "wai.yaml").write_text(YAML)
    first = load_settings(tmp_path, {})
    (file,) = cache_files(tmp_path)
    good = file.read_bytes()
    file.write_bytes(damage)
    assert load_settings(tmp_path, {}) == first
    assert file.read_bytes() == good


def test_an_entry_with_a_wrong_type_inside_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text(YAML)
    first = load_settings(tmp_path, {})
    (file,) = cache_files(tmp_path)
    data = json.loads(file.read_text())
    data["settings"]["gateway"] = 7
    file.write_text(json.dumps(data))
    assert load_settings(tmp_path, {}) == first


def test_a_link_in_place_of_an_entry_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("gateway: g\n")
    load_settings(tmp_path, {})
    (file,) = cache_files(tmp_path)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(file.read_text().replace('"g"', '"forged"'))
    file.unlink()
    file.symlink_to(elsewhere)
    assert load_settings(tmp_path, {}).gateway == "g"


def test_a_state_folder_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "wai.yaml").write_text("gateway: g\nstate_dir: /proc/wai-state\n")
    assert load_settings(tmp_path, {}).gateway == "g"
    (tmp_path / ".wai").write_text("a file in the way")
    (tmp_path / "wai.yaml").write_text("gateway: h\n")
    assert load_settings(tmp_path, {}).gateway == "h"
