"""Settings: defaults < the nearest wai.yaml < the environment, each value with its origin."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from wai_ops.config.files import read_small_file
from wai_ops.config.locations import STATE_FOLDER, absolute, find_config, user_data_dir
from wai_ops.config.settings import Settings
from wai_ops.config.urls import FOREIGN_HOST, is_foreign
from wai_ops.config.variables import has_settings

# Only a hint where to look for a cache; what the file really says is known after validation.
_STATE_DIR_LINE = re.compile(rb"^state_dir:[ \t]+[\"']?([^\"'#\r\n]*[^\"'#\s])", re.MULTILINE)


def load_settings(cwd: Path, environ: Mapping[str, str]) -> Settings:
    """Load the settings that hold in `cwd`. Raises UsageError with every problem, one a line."""
    path = find_config(cwd)
    problems: list[str] = []
    if path is None:
        settings = Settings(state_dir=user_data_dir(environ), origins=default_origins(Settings()))
    else:
        settings, problems = _from_file(path, cwd, environ)
    if has_settings(environ):
        from wai_ops.config.environment import apply_environment

        settings, more = apply_environment(settings, environ, cwd)
        problems += more
    if not problems:
        problems = [
            f"{_place(settings, name)}{name}: {text}" for name, text in contradictions(settings)
        ]
    if problems:
        from wai_ops.config.problems import usage_error

        raise usage_error(problems)
    return settings


def validate_file(path: Path, environ: Mapping[str, str], *, label: str) -> Settings:
    """Load one file over the defaults, without the environment. Raises UsageError as above."""
    from wai_ops.config.problems import usage_error

    settings, problems = _validated(path, read_small_file(path), label, environ)
    problems = problems or [
        f"{_place(settings, name)}{name}: {text}" for name, text in contradictions(settings)
    ]
    if problems:
        raise usage_error(problems)
    return settings


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Find the settings that cannot hold together: dotted name, what is wrong."""
    affinity, timeouts, retry = settings.affinity, settings.timeouts, settings.retry
    if affinity.idle_ttl_s > affinity.max_age_s:
        yield "affinity.idle_ttl_s", f"is longer than affinity.max_age_s ({affinity.max_age_s:g})"
    for name in ("connect_s", "first_token_s", "between_chunks_s"):
        if getattr(timeouts, name) > timeouts.total_s:
            yield f"timeouts.{name}", f"is longer than timeouts.total_s ({timeouts.total_s:g})"
    if retry.base_delay_s > retry.max_delay_s:
        yield "retry.base_delay_s", f"is longer than retry.max_delay_s ({retry.max_delay_s:g})"
    checkpoints = settings.checkpoints
    if 0 < checkpoints.every_turns <= checkpoints.keep_turns:
        yield (
            "checkpoints.keep_turns",
            f"leaves nothing to sum up: checkpoints.every_turns is {checkpoints.every_turns}",
        )


def default_origins(record: object, prefix: str = "") -> dict[str, str]:
    """Dotted name -> `default`, for every setting."""
    found: dict[str, str] = {}
    for item in dataclasses.fields(record):  # type: ignore[arg-type]  # a dataclass instance
        value = getattr(record, item.name)
        if dataclasses.is_dataclass(value):
            found |= default_origins(value, f"{prefix}{item.name}.")
        elif item.metadata.get("is_setting", True):
            found[f"{prefix}{item.name}"] = "default"
    return found


def _place(settings: Settings, name: str) -> str:
    origin = settings.origins.get(name, "default")
    return "" if origin == "default" else f"{origin}: "


def _from_file(path: Path, cwd: Path, environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
    from wai_ops.config.cache import cache_file, read_settings, write_settings

    content = read_small_file(path)
    likely = _state_dir_hint(path, content, cwd, environ)
    cached = read_settings(cache_file(likely / "cache", path, content), path)
    if cached is not None:
        return cached, []
    settings, problems = _validated(path, content, _label(path, cwd), environ)
    if not problems:
        named = environ.get("WAI_STATE_DIR")
        state_dir = absolute(Path(named), cwd, environ) if named else settings.state_dir
        write_settings(cache_file(state_dir / "cache", path, content), settings)
    return settings, problems


def _state_dir_hint(path: Path, content: bytes, cwd: Path, environ: Mapping[str, str]) -> Path:
    """Where the state folder probably is, told without a YAML parser."""
    if named := environ.get("WAI_STATE_DIR"):
        return absolute(Path(named), cwd, environ)
    line = _STATE_DIR_LINE.search(content)
    name = line[1].decode("utf-8", "replace") if line else STATE_FOLDER
    return absolute(Path(name.replace("\0", "")), path.parent, environ)


def _label(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)


def _validated(
    path: Path, content: bytes, label: str, environ: Mapping[str, str]
) -> tuple[Settings, list[str]]:
    """Decode a file; relative paths become absolute. With problems, the settings are defaults."""
    from wai_ops.config.decode import validate
    from wai_ops.config.problems import Problem, lines
    from wai_ops.config.shape import mappings
    from wai_ops.config.yaml_strict import parse

    document = parse(content, label)
    settings, problems = validate(document, Settings)
    if settings is None:
        return Settings(origins=default_origins(Settings())), lines(label, problems)
    problems = [
        Problem(document.marks[name,], f"{name}: {FOREIGN_HOST}")
        for name in ("base_url", "gateway_base_url")
        if is_foreign(getattr(settings, name))
    ]
    origins = default_origins(settings)
    for place, mark in document.marks.items():
        dotted = ".".join(map(str, place))
        if dotted in origins or ".".join(map(str, place[:-1])) in mappings(Settings):
            origins[dotted] = f"{path.name}:{mark.line}"
    credentials = settings.credentials_file
    settings = dataclasses.replace(
        settings,
        state_dir=absolute(settings.state_dir, path.parent, environ),
        credentials_file=credentials and absolute(credentials, path.parent, environ),
        config_file=path,
        origins=origins,
    )
    return settings, lines(label, problems)
