"""Decision logs for tests: made through the real gate, and a clock that moves by itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.control.decisions.audit import Audit, audit_folder
from wai_ops.control.decisions.log import FILE_NAME, DecisionLog
from wai_ops.control.decisions.note import SigningKey
from wai_ops.control.decisions.sign import sign_log
from wai_ops.control.gate import Around, Gate
from wai_ops.control.policy.action import (
    Action,
    ActionKind,
    Mode,
    OutboundTarget,
    RiskTier,
    Verdict,
    VerdictWord,
)
from wai_ops.core.errors import DeniedError
from wai_ops.state.live import LiveState

KEY = SigningKey("example.com/test-log", bytes(range(32)))
OTHER_KEY = SigningKey("example.com/test-log", bytes(range(1, 33)))


class SteppingClock:
    """A clock that goes a millisecond further each time somebody looks."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Tools:
    """A registry in miniature: `ok.*` is allowed, `ask.*` needs approval, all else is denied."""

    def __init__(self, mode: Mode = Mode.ENFORCE) -> None:
        self.mode = mode

    def decide(self, action: Action) -> Verdict:
        name = action.tool or action.model or ""
        word, rule, where = VerdictWord.DENY, "default", ""
        if name.startswith(("ok.", "@cf/")):
            word, rule, where = VerdictWord.ALLOW, "support.tools.ok", "policies/support.yaml:7"
        elif name.startswith("ask."):
            word, rule, where = (
                VerdictWord.NEEDS_APPROVAL, "support.tools.ask", "policies/support.yaml:12",
            )  # fmt: skip
        return Verdict(
            word=word,
            rule=rule,
            where=where,
            reason=f"{rule} says {word.value}",
            policy_version="2026-11-23.1+0123456789ab",
            policy_sha256="01" * 32,
            mode=self.mode,
        )


class Plain:
    """Masks one word."""

    def text(self, text: str) -> str:
        return text.replace("hunter2", "[redacted:test:00000000]")

    json_text = text


@dataclass
class Ledgered:
    """A state folder with a gate."""

    state: Path
    clock: SteppingClock = field(default_factory=SteppingClock)
    live: LiveState | None = None
    mode: Mode = Mode.ENFORCE

    def __post_init__(self) -> None:
        self.folder = self.state / "decisions"
        self.log = DecisionLog(self.folder, self.clock)
        self.gate = Gate(
            Tools(self.mode),
            self.log,
            self.live,
            clock=self.clock,
            actor="os:tester",
            credential_id="runtime:0011223344556677",
            keeper=Plain(),
        )

    @property
    def file(self) -> Path:
        return self.folder / FILE_NAME

    def act(self, tool: str = "ok.lookup", *, end: bool = True, **around: Any) -> str | None:
        """Decide and do one action; the id of its decision, None when it was refused."""
        try:
            permitted = self.gate.decide(action(tool), **asked(**around))
        except DeniedError:
            return None
        if end:
            permitted.end("ok", cost_usd=Decimal("0.001"), cost_state="metered", duration_ms=2.5)
        return permitted.decision_id

    def many(self, count: int) -> None:
        """So many actions: allowed, refused, and some whose end never came."""
        for number in range(count):
            self.act("bad.tool" if number % 5 == 2 else "ok.lookup", end=number % 7 != 3)

    def sign(self) -> None:
        sign_log(self.folder, KEY, None)

    def audit(self) -> Audit:
        return audit_folder(self.folder, [KEY.verifier])

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines(keepends=True)

    def records(self) -> Iterator[dict[str, Any]]:
        for line in self.lines():
            yield json.loads(line)


def action(tool: str = "ok.lookup", **more: Any) -> Action:
    values: dict[str, Any] = {
        "kind": ActionKind.TOOL_CALL,
        "tenant": "acme",
        "workflow": "support",
        "tool": tool,
        "risk_tier": RiskTier.LOW,
    }
    return Action(**(values | more))


def asked(**more: Any) -> Around:
    values: Around = {"justification": "the user asked for it", "request_sha256": "ab" * 32}
    return {**values, **more}  # type: ignore[typeddict-item]


def target(path: str = "/v1/items") -> OutboundTarget:
    return OutboundTarget(scheme="https", host="api.example.com", port=443, method="GET", path=path)
