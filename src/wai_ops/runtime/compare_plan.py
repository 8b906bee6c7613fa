"""The calls of a comparison: every case with both versions, its key, and what it may cost."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wai_ops.core.errors import UsageError, WaiError
from wai_ops.prompts.dataset import Assertion, Case, Dataset, Kind
from wai_ops.runtime.plan import Prepared, Service, Surroundings, prepare
from wai_ops.runtime.prompt_use import Changes, Found, use_prompt
from wai_ops.runtime.request import Ask, compact_json, worst_case
from wai_ops.runtime.schema_check import SchemaCheck

WORKFLOW = "compare"
_BYTES_PER_OUTPUT_TOKEN = 6
"""For the answer that a judge will read: an estimate, until the answer is there."""
_SLACK_TOKENS = 256
"""What a chat template may add of its own, such as a system text that nobody sent."""
_SLACK_PER_MESSAGE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What prompts leave to the config, and the command line."""

    model: str
    max_output_tokens: int
    temperature: Decimal | None
    tenant: str
    changes: Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One call that is ready to be sent."""

    key: str
    """Of everything that decides the answer: the same key, the same question."""
    ask: Ask
    """Its conversation is chosen when it is sent."""
    worst_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCase:
    """A case with both versions, and its judges."""

    case: Case
    sides: tuple[Planned, Planned]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePlan:
    """Everything that is to be asked."""

    id: str
    """Names the journal: the two versions and who answers."""
    dataset: Dataset
    sides: tuple[Found, Found]
    cases: tuple[PlannedCase, ...]
    judges: Mapping[str, Found]
    """Reference -> the judge's prompt."""
    schemas: Mapping[tuple[str, int], SchemaCheck]
    """Case id and place of the assertion -> its compiled schema."""


class Planner:
    """Makes calls of cases."""

    def __init__(self, defaults: Defaults, service: Service, around: Surroundings) -> None:
        """Plan for this service; nothing is sent."""
        self._defaults = defaults
        self._service = service
        self._around = around
        self._schemas: dict[str, SchemaCheck] = {}

    def plan(
        self, dataset: Dataset, a: Found, b: Found, find: Callable[[str], Found]
    ) -> ComparePlan:
        """Plan everything. `find` gives the prompt of a judge.

        Raises UsageError with `file:line` for a case that does not fit the prompts, and for a
        model without a price, because then nobody could keep a ceiling.
        """
        judges: dict[str, Found] = {}
        cases = []
        schemas = {}
        for case in dataset.cases:
            try:
                sides = (self.side(a, case), self.side(b, case))
                for place, item in enumerate(case.assertions):
                    if item.kind is Kind.JUDGE:
                        if item.value not in judges:
                            judges[item.value] = _checked_judge(find(item.value))
                        self.judge(judges[item.value], case, item, "answer", "key")
                    elif item.kind is Kind.JSON_SCHEMA:
                        schemas[case.id, place] = self.schema_check(item.value, "json_schema")
            except UsageError as error:
                raise _placed(error, f"{dataset.path}:{case.line}") from error
            cases.append(PlannedCase(case=case, sides=sides))
        told = [f"{item.source.name}@{item.version}:{item.release.sha256}" for item in (a, b)]
        text = "\0".join([*told, self._service.target])
        return ComparePlan(
            id=hashlib.sha256(text.encode()).hexdigest()[:16],
            dataset=dataset,
            sides=(a, b),
            cases=tuple(cases),
            judges=judges,
            schemas=schemas,
        )

    def schema_check(self, schema: Mapping[str, Any], what: str) -> SchemaCheck:
        """Compile a schema, once for all that are equal. Raises UsageError when it is none."""
        key = compact_json(schema)
        if key not in self._schemas:
            self._schemas[key] = SchemaCheck(dict(schema), where=what)
        return self._schemas[key]

    def side(self, found: Found, case: Case) -> Planned:
        """One version on one case."""
        return self._planned(found, case.variables, case.text, (case.id,))

    def judge(
        self, found: Found, case: Case, assertion: Assertion, answer: str, key: str
    ) -> Planned:
        """A judge on one answer, whose key is `key`.

        The judge's prompt may take `answer`, the case's variables, and the assertion's `vars`.
        """
        from wai_ops.prompts.rendering import variables_of

        known = {"answer": answer, **case.variables, **assertion.variables}
        taken = variables_of(found.source)
        unknown = sorted(set(assertion.variables) - set(taken))
        if unknown:
            raise UsageError(
                f"judge {found.source.name} does not use {', '.join(unknown)}",
                hint=f"it takes: {', '.join(taken)}",
            )
        values = {name: value for name, value in known.items() if name in taken}
        return self._planned(found, values, None, (case.id, key), is_judge=True)

    def judge_worst_usd(self, found: Found, planned: PlannedCase, assertion: Assertion) -> Decimal:
        """About the most that a judge's call will cost, before the answer is there."""
        longest = max(side.ask.max_output_tokens for side in planned.sides)
        answer = "x" * (longest * _BYTES_PER_OUTPUT_TOKEN)
        return self.judge(found, planned.case, assertion, answer, "").worst_usd

    def _planned(
        self,
        found: Found,
        values: Mapping[str, Any],
        text: str | None,
        salt: Sequence[str],
        *,
        is_judge: bool = False,
    ) -> Planned:
        changes = Changes() if is_judge else self._defaults.changes
        use = use_prompt(found, values, user_text=text, changes=changes)
        defaults = self._defaults
        ask = Ask(
            text=use.text,
            opening=use.opening,
            model=use.model or defaults.model,
            tenant=defaults.tenant,
            workflow=WORKFLOW,
            conversation_id="compare",
            prompt_name=use.name,
            prompt_version=use.version,
            release=use.release,
            max_output_tokens=use.max_output_tokens or defaults.max_output_tokens,
            temperature=defaults.temperature if use.temperature is None else use.temperature,
            seed=use.seed,
            sampling=use.sampling,
            schema=use.schema,
            tools=use.tools,
            streamed=use.schema is None,
            limits=use.limits,
            # What is compared is what the versions say: a policy refuses it, or lets it be.
            is_model_fixed=True,
            is_output_fixed=True,
        )
        prepared = prepare(ask, self._service, self._around, None)
        told = [self._service.target, use.name, use.version, *salt]
        key = hashlib.sha256("\0".join(told).encode() + b"\0" + prepared.call.body)
        return Planned(key=key.hexdigest(), ask=ask, worst_usd=self._worst_usd(prepared))

    def _worst_usd(self, prepared: Prepared) -> Decimal:
        """The most that one attempt can cost: no tokenizer makes more tokens than bytes."""
        ask, prices, now = prepared.ask, self._around.prices, prepared.started_at
        body = json.loads(prepared.call.body)
        most = len(json.dumps([body["messages"], body.get("tools")]))
        most += _SLACK_TOKENS + _SLACK_PER_MESSAGE * len(body["messages"])
        served = prices.served_model(ask.model, now) or ask.model
        costs = [
            worst_case(most, ask.max_output_tokens, prices.rates(model, now)).cost_usd
            for model in {ask.model, served}
        ]
        known = [cost for cost in costs if cost is not None]
        if len(known) < len(costs):
            raise UsageError(
                f"no price is known for {ask.model}, so no ceiling can be kept",
                hint="put its price into wai.yaml (prices), or see: wai models sync",
            )
        return max(known)


def _checked_judge(found: Found) -> Found:
    """A judge answers with an object whose `pass` is true or false."""
    schema = found.source.front.output_schema or {}
    properties = schema.get("properties")
    verdict = properties.get("pass") if isinstance(properties, dict) else None
    if not isinstance(verdict, dict) or verdict.get("type") != "boolean":
        raise UsageError(
            f"judge {found.source.name} needs an output_schema with a boolean `pass`",
            where=found.source.path,
            hint="output_schema: {type: object, properties: {pass: {type: boolean}, reason: "
            "{type: string}}, required: [pass]}",
        )
    return found


def _placed(error: WaiError, where: str) -> UsageError:
    place = f" ({error.where})" if error.where else ""
    return UsageError(f"{error.message}{place}", hint=error.hint, where=where)
