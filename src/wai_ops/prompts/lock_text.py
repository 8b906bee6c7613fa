"""The text of `prompts.lock`, written one way: the same lock gives the same bytes.

One block a prompt, sorted; one line a record, so that two branches which froze different prompts
merge without a conflict. Nearly every line says something that no other line says, because merge
tools take equal lines for the same line.
"""

from wai_ops.prompts.lock_records import key_text, record_text
from wai_ops.prompts.lockfile import Lock, PromptLock

FORMAT = 1
HEADER = f"""\
# Frozen prompts and where they are released. `wai prompts` writes this file; commit it, and merge
# it like code: `wai prompts verify` proves that it is whole.
format: {FORMAT}
"""


def to_text(lock: Lock) -> str:
    """Write a lock; a prompt without versions has no block."""
    known = [prompt for _, prompt in sorted(lock.prompts.items()) if prompt.versions]
    if not known:
        return f"{HEADER}prompts: {{}}\n"
    return f"{HEADER}prompts:\n" + "".join(f"\n{_block(prompt)}" for prompt in known)


def _block(prompt: PromptLock) -> str:
    versions = sorted(prompt.versions, key=lambda item: item.version)
    lines = [f"  {key_text(prompt.name)}:", "    versions:"]
    lines += [f"      - {record_text(item)}" for item in versions]
    if prompt.labels:
        lines.append("    labels:")
        lines += [_label(prompt, label) for label in sorted(prompt.labels)]
    for name, records in (
        ("canaries", sorted(prompt.canaries, key=lambda item: item.label)),
        ("approvals", sorted(prompt.approvals, key=lambda item: item.approved_at)),
        ("releases", sorted(prompt.releases, key=lambda item: item.released_at)),
    ):
        if records:
            lines.append(f"    {name}:")
            lines += [f"      - {record_text(item)}" for item in records]
    return "".join(f"{line}\n" for line in lines)


def _label(prompt: PromptLock, label: str) -> str:
    number = prompt.labels[label]
    frozen = prompt.version(number)
    # For whoever reviews it, and so that equal labels of two prompts are two lines.
    shown = f"  # sha256:{frozen.sha256[:12]}" if frozen else ""
    return f"      {key_text(label)}: {number}{shown}"
