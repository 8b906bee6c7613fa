"""The locked requirements against what pyproject.toml asks for."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement

from house.project import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
CORE: list[str] = PROJECT["dependencies"]
LOCKS = {
    "core.txt": CORE,
    "local.txt": CORE + EXTRAS["local"],
    "viz.txt": CORE + EXTRAS["viz"],
    "s3.txt": CORE + EXTRAS["s3"],
    "tokenizers.txt": CORE + EXTRAS["tokenizers"],
    "mcp.txt": CORE + EXTRAS["mcp"],
    "test.txt": CORE + [item for extra in EXTRAS.values() for item in extra],
}


def locked(name: str) -> dict[str, str]:
    """Package -> version of one lock file."""
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, re.MULTILINE))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_every_requirement_in_a_version_that_fits(name: str) -> None:
    versions = locked(name)
    for text in LOCKS[name]:
        requirement = Requirement(text)
        version = versions.get(normal(requirement.name))
        assert version is not None, f"{requirement.name} is not in {name}: run make lock"
        assert requirement.specifier.contains(version), f"{text}: {name} has {version}"


def test_all_locks_agree_on_every_version() -> None:
    widest = locked("test.txt")
    for name in {*LOCKS, "build.txt"} - {"test.txt"}:
        assert locked(name).items() <= widest.items(), f"{name} differs: run make lock"
    assert widest.items() <= locked("ecosystem.txt").items(), "run make lock"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.name
)
def test_every_locked_package_has_hashes_and_no_address(path: Any) -> None:
    """pip needs a hash for each; where packages come from is the user's own setting."""
    text = path.read_text()
    packages = [block for block in re.split(r"\n(?=[a-z0-9])", text) if "==" in block]
    assert packages
    assert all("--hash=sha256:" in block for block in packages)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
