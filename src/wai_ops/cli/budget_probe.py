"""The calls of `wai budget verify`: as small as a call can be, with the runtime token.

`verify` holds the operator token, and no process here holds both. So the calls are made by a child,
which gets the environment without that token: `python -m wai_ops.cli.budget_probe`. One line of
JSON goes in for each call, and one comes out.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from wai_ops.config.credentials import Role
from wai_ops.control.budgets.verify import Answer, Asked, Probe
from wai_ops.core.errors import AccessError, RemoteError, WaiError

if TYPE_CHECKING:
    from wai_ops.cli.context import AppContext
    from wai_ops.cloudflare.transport import CallTransport
    from wai_ops.config.connection import Connection

MODEL = "@cf/meta/llama-3.2-3b-instruct"
"""Cheap, and its price is public: what has no price, no guard counts."""
_TEXT = "Say yes. " + "word " * 60
_REFUSED = (403, 429)
_MAX_TOTAL_S = 60.0


@dataclass(frozen=True, slots=True)
class _Said:
    """What the child says: that it is ready, what became of a call, or why it gives up."""

    answer: str
    words: str = ""
    hint: str | None = None


_READY, _NO_TOKEN, _FAILED = "ready", "no token", "failed"


@contextmanager
def asking(environ: Mapping[str, str], cwd: Path, *, local: bool) -> Iterator["Caller"]:
    """Start the child. Raises AccessError when it has no runtime token."""
    given = {name: value for name, value in environ.items() if name != Role.OPERATOR.variable}
    command = [sys.executable, "-m", "wai_ops.cli.budget_probe", *(["--local"] if local else [])]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=cwd,
        env=given,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        caller = Caller(child.stdin, child.stdout)
        try:
            caller.read()
            yield caller
        finally:
            child.kill()


class Caller:
    """Asks the child."""

    def __init__(self, questions: IO[str], answers: IO[str]) -> None:
        """Use `asking`."""
        self._questions = questions
        self._answers = answers

    def __call__(self, probe: Probe, number: int) -> Asked:
        """Make one call. Raises RemoteError when the child is gone."""
        print(json.dumps([probe.tenant, number]), file=self._questions, flush=True)
        said = self.read()
        return Asked(Answer(said.answer), said.words)

    def read(self) -> _Said:
        """The next line of the child. Raises what it gave up for."""
        line = self._answers.readline()
        if not line:
            raise RemoteError("the process that makes the probe calls has ended")
        said = _Said(**json.loads(line))
        if said.answer == _NO_TOKEN:
            raise AccessError(said.words, hint=said.hint)
        if said.answer == _FAILED:
            raise RemoteError(said.words, hint=said.hint)
        return said


def main() -> None:
    """The child: answer every line of stdin until it ends."""
    from wai_ops.cli.context import AppContext
    from wai_ops.cli.target import open_connection
    from wai_ops.cloudflare.transport import CallTransport

    app = AppContext()
    try:
        with (
            open_connection(app, role=Role.RUNTIME, local="--local" in sys.argv) as connection,
            CallTransport(connection.base_url, app.clock) as transport,
        ):
            _say(_Said(_READY))
            ask = _caller(app, connection, transport)
            for line in sys.stdin:
                tenant, number = json.loads(line)
                _say(ask(tenant, number))
    except AccessError as error:
        _say(_Said(_NO_TOKEN, error.message, error.hint))
    except WaiError as error:
        _say(_Said(_FAILED, error.message, error.hint))


def _caller(
    app: "AppContext", connection: "Connection", transport: "CallTransport"
) -> Callable[[str, int], _Said]:
    from wai_ops.cloudflare.inference import Call, Limits, chat_url, perform, request_headers
    from wai_ops.core.failures import FailureClass
    from wai_ops.core.metadata import Metadata, to_header

    times = app.settings.timeouts
    limits = Limits(
        connect_s=times.connect_s,
        first_token_s=times.first_token_s,
        between_chunks_s=times.between_chunks_s,
        total_s=min(times.total_s, _MAX_TOTAL_S),
    )
    no_guard = (
        FailureClass.CAPACITY, FailureClass.RATE_LIMITED_MODEL, FailureClass.ALLOWANCE_SPENT,
    )  # fmt: skip

    def ask(tenant: str, number: int) -> _Said:
        labels = Metadata(
            tenant=tenant,
            workflow="wai-probe",
            conversation_id="wai-probe",
            turn_index=number,
            attempt=1,
            prompt_name="wai-probe",
            prompt_version="1",
            trace=f"{tenant}-{number}",
        )
        body = {
            "model": MODEL,
            "max_tokens": 8,
            "messages": [{"role": "user", "content": f"{number} {_TEXT}"}],
        }
        reply = perform(
            Call(
                url=chat_url(connection.base_url, connection.account_id),
                headers=request_headers(
                    gateway_id=connection.gateway,
                    metadata=to_header(labels),
                    affinity=f"{tenant}-{number}",
                    streamed=False,
                ),
                body=json.dumps(body).encode(),
                streamed=False,
            ),
            token=connection.token.reveal(),
            transport=transport,
            limits=limits,
            clock=app.clock,
            on_delta=lambda delta: None,  # noqa: ARG005 - nobody reads what it says
        )
        if reply.interrupt is not None:
            raise reply.interrupt
        if reply.status == 200 and reply.failure in (None, FailureClass.OUTPUT_TRUNCATED):
            return _Said(Answer.SERVED.value)
        words = f"HTTP {reply.status}: {reply.error_message or reply.failure}"
        if reply.status in _REFUSED and reply.failure not in no_guard:
            return _Said(Answer.REFUSED.value, words)
        return _Said(Answer.BROKEN.value, words)

    return ask


def _say(said: _Said) -> None:
    print(json.dumps(asdict(said)), flush=True)  # noqa: T201 - to the parent


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)
