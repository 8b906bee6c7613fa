"""From a failure to the error that a user meets: what happened, and what to do next."""

from wai_ops.core.errors import AccessError, DeniedError, RemoteError, UsageError, WaiError
from wai_ops.core.failures import TRAITS, FailureClass

_F = FailureClass
_KIND: dict[FailureClass, type[WaiError]] = {
    _F.AUTH: AccessError,
    _F.PERMISSION: AccessError,
    _F.PAYMENT_REQUIRED: AccessError,
    _F.POLICY_DENIED: DeniedError,
    _F.SPEND_LIMIT: DeniedError,
    _F.GUARDRAIL: DeniedError,
    _F.DLP: DeniedError,
    _F.LOCAL_POLICY: DeniedError,
    _F.LOCAL_BUDGET: DeniedError,
    _F.NOT_FOUND: UsageError,
    _F.BAD_REQUEST: UsageError,
    _F.CONTEXT_TOO_LONG: UsageError,
    _F.MODEL_RETIRED: UsageError,
}
_HINT: dict[FailureClass, str] = {
    _F.AUTH: "check CLOUDFLARE_API_TOKEN with: wai doctor",
    _F.PERMISSION: "the token needs Workers AI Read and AI Gateway Run; see: wai doctor",
    _F.PAYMENT_REQUIRED: "choose a model of the free plan (wai models list), or add Workers Paid",
    _F.POLICY_DENIED: "see the gateway's policies; the first one turns on deny by default",
    _F.SPEND_LIMIT: "wait for the rule's window to end, or raise its limit",
    _F.ALLOWANCE_SPENT: "it resets at 00:00 UTC; Workers Paid bills what goes beyond it",
    _F.CAPACITY: "try again later, or name another --model",
    _F.RATE_LIMITED_MODEL: "send fewer requests a minute, or name another --model",
    _F.RATE_LIMITED_GATEWAY: "raise the gateway's rate limit, or send fewer requests",
    _F.CONTEXT_TOO_LONG: "shorten the prompt or the conversation, or lower --max-tokens",
    _F.NOT_FOUND: "check model, gateway and account: wai models list, wai doctor",
    _F.MODEL_RETIRED: "see its successor: wai models show MODEL",
    _F.TIMEOUT_CONNECT: "check the network, or raise timeouts.connect_s in wai.yaml",
    _F.TIMEOUT_FIRST_TOKEN: "raise timeouts.first_token_s in wai.yaml, or try a faster model",
    _F.TIMEOUT_TOTAL: "raise timeouts.total_s in wai.yaml, or lower --max-tokens",
    _F.NETWORK: "check the network and the base address: wai doctor",
    _F.STREAM_TRUNCATED: "what arrived was kept; run it again if you need the rest",
    _F.STREAM_MALFORMED: "try --no-stream; what arrived was kept",
}


def error_of(
    failure: FailureClass,
    *,
    message: str | None,
    code: int | None,
    status: int | None,
    attempts: int,
    stop_reason: str | None,
    address: str,
) -> WaiError:
    """Build the error for a failed run. The address is named where reaching it was the trouble."""
    words = [f"{failure.value}: {TRAITS[failure].meaning}"]
    if message:
        words.append(f"({message})")
    facts = [f"HTTP {status}" if status is not None else f"no answer from {address}"]
    if code is not None:
        facts.append(f"code {code}")
    if attempts > 1:
        facts.append(f"{attempts} attempts")
    words.append(f"[{', '.join(facts)}]")
    text = " ".join(words)
    if stop_reason and TRAITS[failure].retryable:
        text += f"; not retried: {stop_reason}"
    return _KIND.get(failure, RemoteError)(text, hint=_HINT.get(failure))
