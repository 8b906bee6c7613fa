"""What a probe shows, and what it does not; and that nobody holds both tokens."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wai_ops.cli.budget_probe import asking
from wai_ops.config.budget_settings import Enforcement
from wai_ops.control.budgets.native import Guard, Kind, Ref, Remote, RemotePolicy
from wai_ops.control.budgets.simulate import sample_request
from wai_ops.control.budgets.verify import Answer, Asked, Probe, Probed, probes_of, watch_probes
from wai_ops.core.clock import SystemClock
from wai_ops.core.errors import AccessError

S, R, B = Answer.SERVED, Answer.REFUSED, Answer.BROKEN


class Stepping(SystemClock):
    """Time passes when somebody sleeps, and only then."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def watched(*answers: Answer, timeout_s: float = 100) -> Probed:
    """One probe that gets these answers; the last one repeats."""
    [found] = watch_probes(
        [Probe(form=Enforcement.POLICY, tenant="t", guards=())],
        lambda probe, number: Asked(answers[min(number, len(answers) - 1)], f"words {number}"),
        clock=Stepping(),
        timeout_s=timeout_s,
        interval_s=10,
        told=lambda text: None,
    )
    return found


@pytest.mark.parametrize(
    ("answers", "live_after_s", "calls"),
    [
        ((S, R), 10, 2),
        ((S, S, S, R), 30, 4),
        ((R, R, S, R), 30, 4),  # refused by default, let through by its policy, refused by it
        ((B, S, B, R), 30, 4),
        ((S,), None, 11),
        ((R,), None, 11),  # somebody else's refusal: nothing of the probe was ever served
        ((B,), None, 11),
        ((S, B), None, 11),
    ],
)
def test_a_probe_is_live_once_it_is_refused_after_it_was_served(
    answers: tuple[Answer, ...], live_after_s: float | None, calls: int
) -> None:
    found = watched(*answers)
    assert (found.live_after_s, found.call_count) == (live_after_s, calls)
    assert bool(found.problem) == (live_after_s is None and answers[-1] is not S)


def test_a_live_probe_is_not_called_again_while_another_is_waited_for() -> None:
    calls: list[str] = []

    def ask(probe: Probe, number: int) -> Asked:
        calls.append(probe.tenant)
        return Asked(R if number and probe.tenant == "a" else S)

    found = watch_probes(
        [Probe(form=Enforcement.POLICY, tenant=name, guards=()) for name in ("a", "b")],
        ask,
        clock=Stepping(),
        timeout_s=50,
        interval_s=10,
        told=lambda text: None,
    )
    assert [each.call_count for each in found] == [2, 6]
    assert calls.count("a") == 2


def guard(form: Enforcement) -> Guard:
    kind = Kind.POLICY if form is Enforcement.POLICY else Kind.SPEND_RULE
    return Guard(budget="b", form=form, ref=Ref(kind, "wai-b"), body={}, why="")


def test_a_spend_probe_gets_a_policy_that_lets_it_through_where_there_are_policies() -> None:
    """Else the gateway would refuse it by default, before any spend rule is asked."""
    empty = Remote(gateway_id="g", gateway={})
    some = Remote(
        gateway_id="g", gateway={}, policies=(RemotePolicy(id="1", committed={"name": "theirs"}),)
    )
    guards = [guard(Enforcement.SPEND_LIMIT)]
    [alone] = probes_of(guards, empty, prefix="wai", name="x")
    [with_policy] = probes_of(guards, some, prefix="wai", name="x")
    assert [each.ref.kind for each in alone.guards] == [Kind.SPEND_RULE]
    assert [each.ref.kind for each in with_policy.guards] == [Kind.SPEND_RULE, Kind.POLICY]
    both = probes_of([*guards, guard(Enforcement.POLICY)], some, prefix="wai", name="x")
    assert len({probe.tenant for probe in both}) == 2
    for probe in both:
        for each in probe.guards:
            assert each.ref.name.startswith("wai-probe-x-")
            if each.form is Enforcement.POLICY:
                metadata = sample_request(each.body)["identity"]["metadata"]
                assert metadata["tenant"] == probe.tenant


def test_the_process_that_calls_models_never_gets_the_operator_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[Mapping[str, str]] = []
    real = subprocess.Popen

    def popen(*args: Any, **kwargs: Any) -> Any:
        started.append(kwargs["env"])
        return real(*args, **kwargs)

    monkeypatch.setattr("wai_ops.cli.budget_probe.subprocess.Popen", popen)
    environ = {"WAI_OPERATOR_TOKEN": "operator-secret", "CLOUDFLARE_ACCOUNT_ID": "0" * 32}
    with (
        pytest.raises(AccessError, match="CLOUDFLARE_API_TOKEN is not set"),
        asking(environ, tmp_path, local=False),
    ):
        pass
    assert started == [{"CLOUDFLARE_ACCOUNT_ID": "0" * 32}]
