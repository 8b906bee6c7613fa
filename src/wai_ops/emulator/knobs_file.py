"""The knobs on disk: `emulator.yaml`, which people write, and the changes made at run time."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wai_ops.core.errors import DataError, UsageError
from wai_ops.emulator.knobs import Knobs, LiveKnobs, changed, decode_knobs

CHANGES_NAME = "knobs.json"
MAX_BYTES = 1024 * 1024


def load_config(path: Path) -> Knobs:
    """Read a configuration file. Raises UsageError that lists everything that is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the configuration cannot be read: {error.strerror}", where=str(path)
        ) from error
    if len(raw) > MAX_BYTES:
        raise UsageError(f"the configuration is larger than {MAX_BYTES} bytes", where=str(path))
    knobs, problems = decode_knobs(parse_yaml(raw, str(path)))
    if problems:
        raise UsageError("; ".join(problems), where=str(path))
    return knobs


def parse_yaml(text: str | bytes, where: str) -> Any:
    """Parse YAML in which no key comes twice. Raises UsageError."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                mark = node.value[index][0].start_mark
                raise UsageError(f"the key `{key}` comes twice", where=f"{where}:{mark.line + 1}")
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = where if mark is None else f"{where}:{mark.line + 1}"
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise UsageError(f"this is no YAML: {reason}", where=place) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no YAML: {error}", where=where) from error


def live_knobs(state_dir: Path, base: Knobs) -> LiveKnobs:
    """The knobs of a server on that folder: `base`, what was changed at run time, and a place to
    keep what will be. Raises UsageError when the kept changes do not fit (any more).
    """
    knobs = LiveKnobs(base, keep=lambda changes: save_changes(state_dir, changes))
    knobs.restore(load_changes(state_dir, base))
    return knobs


def load_changes(state_dir: Path, base: Knobs) -> Knobs:
    """`base` with the kept changes. Raises UsageError."""
    path = state_dir / CHANGES_NAME
    hint = "forget them with: wai emulator set --reset"
    try:
        changes = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return base
    except (OSError, ValueError) as error:
        raise DataError(
            f"the kept knobs cannot be read: {error}", where=str(path), hint=hint
        ) from error
    if not isinstance(changes, dict):
        raise DataError("the kept knobs are damaged", where=str(path), hint=hint)
    knobs = base
    try:
        for dotted, value in changes.items():
            knobs = changed(knobs, dotted, value)
    except UsageError as error:
        raise UsageError(
            f"the kept knobs do not fit: {error.message}", where=str(path), hint=hint
        ) from error
    return knobs


def save_changes(state_dir: Path, changes: Mapping[str, Any]) -> None:
    """Keep the changes, all or nothing; none: forget the file. Raises DataError."""
    path = state_dir / CHANGES_NAME
    try:
        if not changes:
            path.unlink(missing_ok=True)
            return
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".knobs-", dir=state_dir)  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
                json.dump(dict(changes), sink, indent=1)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(
            f"the knobs cannot be kept: {error.strerror}", where=str(error.filename or path)
        ) from error
