"""The price book of a project: built in, synced snapshots, and the overrides of wai.yaml."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from wai_ops.config.files import make_state_folder, write_atomically
from wai_ops.config.settings import Settings, Target
from wai_ops.config.urls import is_loopback
from wai_ops.core.errors import DataError
from wai_ops.core.prices import Model, PriceBook, Snapshot, built_in, load_snapshot, model_to_json

FOLDER = "prices"
LOCAL_FOLDER = "prices-local"
CATALOGUE = "catalogue"
LOCAL_CATALOGUE = "catalogue (local)"
_FILE_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.json\Z")


class SnapshotModels(Mapping[str, Model]):
    """The models of one snapshot file, read when they are first asked for.

    A price lookup stops at the newest snapshot that knows the model, so that a long history of
    snapshots costs a run nothing. Raises DataError on first use when the file is damaged.
    """

    def __init__(self, path: Path, as_of: str, source: str) -> None:
        """Remember the file."""
        self._path = path
        self._source = source
        self._as_of = as_of
        self._models: Mapping[str, Model] | None = None

    def _loaded(self) -> Mapping[str, Model]:
        if self._models is None:
            try:
                snapshot = load_snapshot(json.loads(self._path.read_bytes()), source=self._source)
                if snapshot.as_of != self._as_of:
                    raise ValueError(f"as_of is {snapshot.as_of}")  # noqa: TRY301
            except (OSError, ValueError, TypeError, KeyError, ArithmeticError) as error:
                raise DataError(
                    f"the price snapshot cannot be used: {error}",
                    where=str(self._path),
                    hint="delete the file, then run: wai models sync",
                ) from error
            self._models = snapshot.models
        return self._models

    def __getitem__(self, model_id: str) -> Model:
        """The model of that id."""
        return self._loaded()[model_id]

    def __iter__(self) -> Iterator[str]:
        """All ids."""
        return iter(self._loaded())

    def __len__(self) -> int:
        """The number of models."""
        return len(self._loaded())


def load_price_book(settings: Settings) -> PriceBook:
    """The book that prices this project's calls. Reads no snapshot before one is needed."""
    is_local = settings.target is Target.LOCAL or is_loopback(settings.base_url)
    return PriceBook(
        snapshots=[built_in(), *synced_snapshots(settings.state_dir, is_local=is_local)],
        overrides=settings.prices,
    )


def synced_snapshots(state_dir: Path, *, is_local: bool) -> list[Snapshot]:
    """The snapshots that `wai models sync` wrote, oldest first.

    The emulator's catalogue repeats the built-in book under today's date, so its snapshots are
    kept apart: they must never price a call that Cloudflare bills.
    """
    folder = state_dir / (LOCAL_FOLDER if is_local else FOLDER)
    source = LOCAL_CATALOGUE if is_local else CATALOGUE
    try:
        names = sorted(item.name for item in folder.iterdir() if _FILE_NAME.match(item.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(
            f"the price snapshots cannot be listed: {error.strerror}", where=str(folder)
        ) from error
    return [
        Snapshot(
            source=source,
            as_of=name[:10],
            models=SnapshotModels(folder / name, name[:10], source),
        )
        for name in names
    ]


def write_snapshot(
    state_dir: Path, as_of: date, models: Mapping[str, Model], *, is_local: bool
) -> Path:
    """Write the catalogue of a day; a second one of the same day replaces the first."""
    data = {
        "as_of": as_of.isoformat(),
        "source": LOCAL_CATALOGUE if is_local else CATALOGUE,
        "models": [model_to_json(models[model_id]) for model_id in sorted(models)],
    }
    try:
        folder = make_state_folder(state_dir, LOCAL_FOLDER if is_local else FOLDER)
        path = folder / f"{as_of.isoformat()}.json"
        write_atomically(path, json.dumps(data, indent=1).encode() + b"\n")
    except OSError as error:
        raise DataError(
            f"the price snapshot cannot be written: {error.strerror}", where=str(state_dir)
        ) from error
    return path
