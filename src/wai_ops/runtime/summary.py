"""From a finished run to its result object."""

from typing import Any

from wai_ops.core.failures import FailureClass
from wai_ops.runtime.record import COMPLETE
from wai_ops.runtime.result import (
    RunAffinity,
    RunAttempt,
    RunCost,
    RunError,
    RunExchange,
    RunResult,
    RunTimings,
    RunUsage,
)
from wai_ops.runtime.run import Finished, tool_call_dicts


def result_of(
    finished: Finished, *, output: Any = None, exchange: RunExchange | None = None
) -> RunResult:
    """Build the result; `output` is the parsed answer when a schema was met."""
    prepared, reply, record = finished.prepared, finished.reply, finished.attempts[-1]
    ask, session = prepared.ask, prepared.session
    return RunResult(
        run_id=prepared.run_id,
        tenant=ask.tenant,
        workflow=ask.workflow,
        conversation_id=ask.conversation_id,
        turn_index=prepared.turn_index,
        prompt=f"{ask.prompt_name}@{ask.prompt_version}",
        release=ask.release,
        target=record.target,
        gateway_id=record.gateway_id or "",
        requested_model=record.requested_model,
        served_model=record.served_model,
        text=reply.answer.text,
        reasoning=reply.answer.reasoning,
        tool_calls=tool_call_dicts(reply),
        output=output,
        finish_reason=record.finish_reason,
        usage=RunUsage(
            input_tokens=record.input_tokens,
            cached_input_tokens=record.cached_input_tokens,
            output_tokens=record.output_tokens,
            reasoning_tokens=record.reasoning_tokens,
        ),
        cost=RunCost(
            state=record.cost_state,
            cost_usd=record.cost_usd,
            neurons=record.neurons,
            in_usd_per_m=record.in_usd_per_m,
            cached_in_usd_per_m=record.cached_in_usd_per_m,
            out_usd_per_m=record.out_usd_per_m,
            price_source=record.price_source,
            price_as_of=record.price_as_of,
        ),
        timings=RunTimings(
            connect_ms=record.connect_ms,
            ttft_ms=record.ttft_ms,
            itl_p50_ms=record.itl_p50_ms,
            itl_p95_ms=record.itl_p95_ms,
            duration_ms=record.duration_ms or 0.0,
            total_ms=round(finished.total_ms, 3),
        ),
        affinity=RunAffinity(
            affinity_key=session.affinity_key,
            header=prepared.affinity,
            epoch=session.epoch,
            reason=session.reason,
            result=record.affinity_result,
            cause=record.affinity_cause,
            cacheable_tokens=record.cacheable_tokens,
        ),
        log_id=record.log_id,
        event_id=record.event_id,
        ray_id=record.ray_id,
        attempts=[
            RunAttempt(
                attempt_id=attempt.attempt_id,
                attempt=attempt.attempt,
                http_status=attempt.http_status,
                error_type=attempt.error_type,
                cost_state=attempt.cost_state,
                cost_usd=attempt.cost_usd,
                duration_ms=attempt.duration_ms or 0.0,
            )
            for attempt in finished.attempts
        ],
        exchange=exchange,
        governed=finished.governed,
        error=_error(finished),
    )


def _error(finished: Finished) -> RunError | None:
    failure = finished.reply.failure
    if failure is None or failure is FailureClass.OUTPUT_TRUNCATED:
        return None
    return RunError(
        error_type=failure.value,
        code=finished.reply.error_code,
        message=finished.attempts[-1].error_message or "",
        retried=len(finished.attempts) > 1,
        stop_reason=None if failure in COMPLETE else finished.stop_reason,
    )
