"""What a request and its answer must pass at the gateway: policies, spend, guardrails, DLP."""

import json
from collections.abc import Mapping

from wai_ops.core.tokens import estimate_tokens
from wai_ops.emulator.backends.base import Meter
from wai_ops.emulator.gateway.exchange import Exchange
from wai_ops.emulator.gateway.guardrails import (
    SCANNER_MODEL,
    Side,
    check_dlp,
    check_guardrails,
    dlp_policies,
    rules_of,
)
from wai_ops.emulator.gateway.labels import Labels
from wai_ops.emulator.gateway.refusals import (
    dlp_blocked,
    guardrail_blocked,
    no_credential,
    no_credit,
    scanner_unavailable,
)
from wai_ops.emulator.gateway.steps import Step
from wai_ops.emulator.models import resolve_model
from wai_ops.emulator.services import Services


class Checks:
    """The checks of one request."""

    def __init__(self, services: Services, exchange: Exchange) -> None:
        """Nothing is checked yet."""
        assert exchange.gateway is not None
        self._services = services
        self._exchange = exchange
        self._gateway = exchange.gateway
        self._settings = exchange.gateway.settings
        self._parts = services.knobs.current.gateway
        self._dlp = dlp_policies(self._settings.dlp)

    @property
    def needs_response(self) -> bool:
        """Whether the answer must be seen whole before any of it leaves."""
        return bool(rules_of(self._settings.guardrails, "response")) or any(
            "RESPONSE" in policy.checks for policy in self._dlp
        )

    async def admit(self, step: Step) -> None:
        """Credit, policies and spend limits for one provider and model. Raises ApiError."""
        services, settings = self._services, self._settings
        self._gateway.admission = None
        if self._exchange.is_wholesale:
            self._check_credit()
        budget = services.budgets.of(settings.id)
        rules = budget.rules(settings.spend_limits)
        policies = await services.gateways.policies_for(settings.id)
        if not (rules or policies or step.passed):
            return
        self._gateway.admission = budget.admit(
            Labels(provider=step.provider, model=step.model, metadata=self._gateway.metadata or {}),
            rules=rules,
            policies=policies,
            passed=step.passed,
            now=services.clock.now(),
            fail_open=services.knobs.current.policies.fail_open,
            refusal_code=services.knobs.current.spend.refusal_code,
        )

    def _check_credit(self) -> None:
        """Prepaid credits pay: they must be allowed to, and there must be some."""
        is_forbidden = self._settings.byok_only or self._gateway.options.no_wholesale
        if is_forbidden and not self._exchange.has_own_credential:
            raise no_credential()
        if not self._parts.has_credit:
            raise no_credit()

    def request(self) -> None:
        """DLP and guardrails on what the client sent. Raises ApiError, for all steps."""
        if self._dlp or rules_of(self._settings.guardrails, "prompt"):
            self._check("prompt", _text_of(self._exchange.request_body))

    def response(self, text: str) -> None:
        """DLP and guardrails on what the model said. Raises ApiError."""
        self._check("response", text)

    def _check(self, side: Side, text: str) -> None:
        attempt = self._exchange.current
        found = check_dlp(self._dlp, side, text, self._parts.dlp_marker)
        if found is not None:
            attempt.dlp = found
            self._exchange.dlp = found.to_json()
            if found.action == "BLOCK":
                raise dlp_blocked(side, self._parts.dlp_status)
        rules = rules_of(self._settings.guardrails, side)
        if rules and self._is_scanned(rules):
            verdict = check_guardrails(rules, text, self._parts.guardrail_marker)
            self._record_scan(side, text, is_unsafe=bool(verdict.findings))
            attempt.guardrails[side] = dict(verdict.findings)
            if verdict.is_blocked:
                raise guardrail_blocked(side, is_rest_run=self._exchange.is_rest_run)

    def _is_scanned(self, rules: Mapping[str, str]) -> bool:
        """Whether the scanner works. It may be missed where no rule blocks. Raises ApiError."""
        match self._parts.scanner:
            case "no_credit":
                raise no_credit()
            case "down" if "BLOCK" in rules.values():
                raise scanner_unavailable()
            case state:
                return state == "ok"

    def _record_scan(self, side: Side, text: str, *, is_unsafe: bool) -> None:
        """The scanner is a model of its own: its work is a row, and has its price."""
        services, exchange = self._services, self._exchange
        served = resolve_model(services.book, SCANNER_MODEL, services.clock.now())
        meter = Meter(input_tokens=estimate_tokens(text), output_tokens=5 if is_unsafe else 2)
        exchange.record_scan(side, served, meter)


def _text_of(body: bytes) -> str:
    """The request's text with JSON's escapes undone; as it came when it is no JSON."""
    text = body.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), ensure_ascii=False) if "\\" in text else text
    except (ValueError, RecursionError):
        return text
