"""What a burst really does to guards: on an emulator of its own, with small limits.

Every guard of `wai.yaml` is put on an empty gateway by itself, with a limit of two and a half waves
of calls. Then as many clients as are asked for call at once, again and again, until they are
refused. What was spent is what the emulator has metered.
"""

import http.client
import json
import threading
from collections.abc import Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wai_ops.cli.context import AppContext
from wai_ops.config.budget_settings import BudgetSettings, Enforcement
from wai_ops.control.budgets.bound import Given
from wai_ops.control.budgets.bound_traffic import most_at_once
from wai_ops.control.budgets.native import Compiled, Guard, Remote, number
from wai_ops.core.clock import Clock
from wai_ops.core.errors import UsageError
from wai_ops.core.metadata import Metadata, to_header
from wai_ops.core.table import Table, Unit, Verdict, col

if TYPE_CHECKING:
    from wai_ops.cloudflare.guards_api import GuardsApi
    from wai_ops.emulator.testing import WaiEmulator

_CONCURRENCY = 50
_WAVES = Decimal("2.5")
_MOST_CALLS = 12
"""Of one client."""
_CALL_MS = 100
"""What the emulator takes for a call at least, so that calls overlap."""
_SLACK_S = 0.25
"""How much later than said the emulator may count: its clock is that of a busy process."""
_PROBE = "wai-probe"
_MEASURED = (Enforcement.POLICY, Enforcement.SPEND_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRow:
    """One guard in a burst."""

    guard: str = col("Guard")
    limit_usd: Decimal = col("Limit", Unit.USD)
    client_count: int = col("Clients", Unit.COUNT)
    served_count: int = col("Served", Unit.COUNT)
    refused_count: int = col("Refused", Unit.COUNT)
    spent_usd: Decimal = col("Spent", Unit.USD)
    overshoot_usd: Decimal = col("Passed by", Unit.USD)
    bound_usd: Decimal = col("Bound", Unit.USD)
    """Calls that were not counted yet, at most, times the dearest of them."""
    holds: bool = col("Holds", Unit.FLAG)


@dataclass(slots=True)
class _Burst:
    """What the clients saw. Times in microseconds."""

    spans: list[tuple[int, int]]
    refused: int
    problems: list[str]


def measure_guards(app: AppContext, compiled: Compiled, given: Given) -> Table[BurstRow]:
    """Run the bursts, one guard after the other. Raises UsageError without the emulator."""
    try:
        from wai_ops.emulator.testing import wai_emulator
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the local emulator needs a package that is not installed: {error.name}",
            hint="pip install 'wai-ops[local]'",
        ) from error
    budgets = app.settings.budgets
    guards = [g for g in compiled.guards if g.budget in budgets and g.form in _MEASURED]
    clients = given.concurrency or _CONCURRENCY
    settle_s = 0.0 if given.settle_s is None else float(given.settle_s)
    with wai_emulator() as emulator:
        rows = [
            _measured(
                emulator,
                guard,
                budgets[guard.budget],
                default_model=app.settings.defaults.model,
                clients=clients,
                settle_s=settle_s,
                clock=app.clock,
            )
            for guard in guards
        ]
    notes = [
        f"each guard alone on an empty gateway of an emulator, {clients} clients at once",
        f"costs are counted {settle_s:g} s after the end of a call",
        "the limits are small on purpose: the bound does not depend on them",
    ]
    others = sorted(
        {str(g.ref) for g in compiled.guards if g.budget in budgets and g not in guards}
        | {f"local {local.budget}" for local in compiled.local}
    )
    if others:
        notes.append(f"not measured here: {', '.join(others)}")
    return Table(
        row_type=BurstRow,
        rows=rows,
        title="Bursts against guards",
        notes=tuple(notes),
        verdict=Verdict.PASS if all(row.holds for row in rows) else Verdict.FAIL,
    )


def _measured(
    emulator: "WaiEmulator",
    guard: Guard,
    budget: BudgetSettings,
    *,
    default_model: str,
    clients: int,
    settle_s: float,
    clock: Clock,
) -> BurstRow:
    from wai_ops.cloudflare.control import open_control_plane
    from wai_ops.cloudflare.guards_api import GuardsApi

    model = _model_of(guard, budget, default_model)
    emulator.reset()
    cost = _one_cost(emulator, budget, model)
    limit = cost * clients * _WAVES
    emulator.reset()
    _make_gateway(emulator)
    with open_control_plane(
        base_url=emulator.base_url,
        account_id=emulator.account_id,
        token=emulator.tokens["operator"],
        clock=clock,
        is_local=True,
    ) as plane:
        _put(GuardsApi(plane, emulator.gateway_id), _with_limit(guard, limit))
    emulator.knobs.change(
        {"spend.settle_delay_ms": settle_s * 1000, "latency.overhead_ms": _CALL_MS}
    )
    burst = _run(emulator, budget, model, clients, clock)
    if burst.problems:
        raise UsageError(f"the burst broke: {burst.problems[0]}")
    spent = Decimal(emulator.truth()["totals"]["cost_usd"])
    dearest = max((Decimal(str(row["cost"] or 0)) for row in emulator.logs()), default=Decimal(0))
    burst.spans.sort()
    uncounted = most_at_once(
        [begin for begin, _ in burst.spans],
        [end for _, end in burst.spans],
        int((settle_s + _SLACK_S) * 1_000_000),
    )
    overshoot = max(spent - limit, Decimal(0))
    bound = uncounted * max(dearest, cost)
    return BurstRow(
        guard=str(guard.ref),
        limit_usd=limit,
        client_count=clients,
        served_count=len(burst.spans),
        refused_count=burst.refused,
        spent_usd=spent,
        overshoot_usd=overshoot,
        bound_usd=bound,
        holds=overshoot <= bound and burst.refused > 0,
    )


def _model_of(guard: Guard, budget: BudgetSettings, default: str) -> str:
    for holder, key in ((guard.body.get("resource"), "model"), (guard.body.get("model"), "values")):
        if isinstance(holder, Mapping) and isinstance(holder.get(key), list) and holder[key]:
            return str(holder[key][0])
    return budget.scope.model[0] if budget.scope.model else default


def _with_limit(guard: Guard, limit: Decimal) -> Guard:
    body: dict[str, Any] = deepcopy(dict(guard.body))
    if guard.form is Enforcement.POLICY:
        body["action"]["amount"] = number(limit)
    else:
        body["limit"] = number(limit)
    return replace(guard, body=body)


def _make_gateway(emulator: "WaiEmulator") -> None:
    from wai_ops.control.budgets.apply import REQUIRED

    emulator.api("POST", "/ai-gateway/gateways", {"id": emulator.gateway_id, **REQUIRED})


def _put(api: "GuardsApi", guard: Guard) -> None:
    """Put one guard on an empty gateway."""
    from wai_ops.control.budgets.apply import gateway_body
    from wai_ops.control.budgets.diff import diff

    if guard.form is Enforcement.POLICY:
        api.stage_policy(guard.body)
        api.commit_policies()
        return
    gateway = api.gateway()
    remote = Remote(gateway_id=str(gateway["id"]), gateway=gateway)
    changes = diff(Compiled(guards=(guard,)), remote, frozenset()).changes
    api.put_gateway(gateway_body(gateway, changes))


def _one_cost(emulator: "WaiEmulator", budget: BudgetSettings, model: str) -> Decimal:
    """What one call of the burst costs. Raises UsageError where the model has no price."""
    with closing(_connect(emulator)) as connection:
        status = _call(connection, emulator, budget, model, "0.0")
    cost = Decimal(emulator.truth()["totals"]["cost_usd"])
    if status != 200 or cost <= 0:
        raise UsageError(f"{model} answers {status} at ${cost:f}: no guard can count that")
    return cost


def _run(
    emulator: "WaiEmulator", budget: BudgetSettings, model: str, clients: int, clock: Clock
) -> _Burst:
    burst = _Burst([], 0, [])
    lock = threading.Lock()
    together = threading.Barrier(clients)

    def client(number: int) -> None:
        try:
            with closing(_connect(emulator)) as connection:
                connection.connect()
                together.wait()
                for turn in range(_MOST_CALLS):
                    begin = clock.monotonic()
                    status = _call(connection, emulator, budget, model, f"{number}.{turn}")
                    end = clock.monotonic()
                    with lock:
                        if status == 200:
                            burst.spans.append((int(begin * 1e6), int(end * 1e6)))
                        elif status in (403, 429):
                            burst.refused += 1
                            return
                        else:
                            burst.problems.append(f"an answer {status}")
                            return
        except (OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
            together.abort()
            with lock:
                burst.problems.append(str(error) or type(error).__name__)

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return burst


def _connect(emulator: "WaiEmulator") -> http.client.HTTPConnection:
    from urllib.parse import urlsplit

    parts = urlsplit(emulator.base_url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)


def _call(
    connection: http.client.HTTPConnection,
    emulator: "WaiEmulator",
    budget: BudgetSettings,
    model: str,
    name: str,
) -> int:
    """One call that the budget is about. Texts of one length that share no beginning cost alike."""
    scope = budget.scope
    prompt, _, version = (scope.prompt[0] if scope.prompt else _PROBE).partition("@")
    labels = Metadata(
        tenant=scope.tenant[0] if scope.tenant else _PROBE,
        workflow=scope.workflow[0] if scope.workflow else _PROBE,
        conversation_id=f"c{name}",
        turn_index=0,
        attempt=1,
        prompt_name=prompt,
        prompt_version=version or "1",
        trace=f"t{name}",
    )
    text = f"{name:>12} " + "word " * 100
    connection.request(
        "POST",
        f"/client/v4/accounts/{emulator.account_id}/ai/v1/chat/completions",
        body=json.dumps(
            {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": text}]}
        ),
        headers={
            "authorization": f"Bearer {emulator.tokens['runtime']}",
            "content-type": "application/json",
            "cf-aig-gateway-id": emulator.gateway_id,
            "x-session-affinity": f"wai-{name}",
            "cf-aig-metadata": to_header(labels),
        },
    )
    answer = connection.getresponse()
    answer.read()
    return answer.status
