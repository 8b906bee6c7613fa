"""Who sends the requests of one command: the service, the surroundings, live state, the screen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wai_ops.cloudflare.inference import Reply
from wai_ops.runtime.plan import Service, Surroundings
from wai_ops.runtime.request import Ask
from wai_ops.runtime.run import Finished, Sink, execute
from wai_ops.state.live import LiveState


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Everything that is the same for all requests. `governance` None: ungoverned."""

    service: Service
    around: Surroundings
    live: LiveState
    sink: Sink
    governance: Any = None

    def send(
        self,
        ask: Ask,
        *,
        check: Callable[[Reply], None] | None = None,
        sink: Sink | None = None,
    ) -> Finished:
        """Send one request, recorded and priced. Raises what `execute` raises."""
        governed = {} if self.governance is None else {"governance": self.governance}
        shown = self.sink if sink is None else sink
        return execute(ask, self.service, self.around, self.live, shown, check=check, **governed)
