"""The text of `prompts.lock`, written one way: the same lock gives the same bytes.

It is YAML, one block of lines a prompt, sorted. `lock_records.py` says why its lines look so.
"""

from collections import Counter
from collections.abc import Iterator

from wai_ops.prompts.lock_records import event_line, label_line, version_line
from wai_ops.prompts.lockfile import Approval, Canary, Lock, PromptLock, Release

FORMAT = 1
HEADER = f"""\
# Frozen prompts and where they are released. `wai prompts` writes this file; commit it, and merge
# it like code: `wai prompts verify` proves that it is whole.
format: {FORMAT}
"""


def to_text(lock: Lock) -> str:
    """Write a lock; a prompt without versions has no block."""
    known = [prompt for _, prompt in sorted(lock.prompts.items()) if prompt.versions]
    blocks = ("".join(f"{line}\n" for line in _lines(prompt)) for prompt in known)
    return HEADER + "".join(f"\n{block}" for block in blocks)


def _lines(prompt: PromptLock) -> Iterator[str]:
    name = prompt.name
    for version in sorted(prompt.versions, key=lambda item: item.version):
        yield version_line(name, version)
    for label, number in sorted(prompt.labels.items()):
        frozen = prompt.version(number)
        yield label_line(name, label, number, frozen.sha256 if frozen else None)
    events: list[Canary | Approval | Release] = [
        *sorted(prompt.canaries, key=lambda item: item.label),
        *sorted(prompt.approvals, key=lambda item: item.approved_at),
        *sorted(prompt.releases, key=lambda item: item.released_at),
    ]
    seen: Counter[str] = Counter()
    for event in events:
        key = event_line(name, event, 0).partition(": {")[0]
        yield event_line(name, event, seen[key])
        seen[key] += 1
