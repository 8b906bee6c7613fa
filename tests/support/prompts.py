"""Prompts of a test project: written, frozen and labelled without the command line."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from support.facts import ManualClock
from wai_ops.prompts.lockfile import Canary, lock_path, read_lock, write_lock
from wai_ops.prompts.store import freeze


def write_prompt(project: Path, name: str, text: str) -> None:
    """Write `prompts/NAME.prompt`."""
    path = project / "prompts" / f"{name}.prompt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def freeze_prompt(project: Path, name: str, text: str, *, author: str = "fay@example.com") -> int:
    """Write and freeze a prompt; return its version."""
    write_prompt(project, name, text)
    (frozen,) = freeze(project / "prompts", [name], "a reason", author, ManualClock())
    return frozen.version


def set_labels(
    project: Path, name: str, labels: Mapping[str, int], *, canaries: tuple[Canary, ...] = ()
) -> None:
    """Put labels and canaries into the lock, whatever the rules say."""
    path = lock_path(project / "prompts")
    lock = read_lock(path)
    prompt = replace(lock.get(name), labels=dict(labels), canaries=canaries)
    write_lock(path, lock.with_prompt(prompt))
