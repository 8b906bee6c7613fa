"""`GET /__wai/truth`: the emulator's own endpoint, which the real service does not have."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.clock import parse_utc
from wai_ops.emulator.answers import envelope, json_response
from wai_ops.emulator.errors import invalid_query
from wai_ops.emulator.services import Services
from wai_ops.emulator.truth import DIMENSIONS, Truth, told_value

PATH = "/__wai/truth"


async def get_truth(services: Services, request: Request) -> Response:
    """All totals; or with `group_by=tenant,model` those of each combination.

    `start` and `end` (RFC 3339) narrow it to whole hours: from `start`'s hour to before `end`.
    """
    params = request.query_params
    start, finish = _hour(params.get("start"), "start"), _hour(params.get("end"), "end")
    truth = Truth(services.store)
    result = {"account_id": services.store.identity.account_id}
    group_by = params.get("group_by")
    if group_by is None:
        return json_response(envelope({**result, **await truth.told(start=start, finish=finish)}))
    names = group_by.split(",")
    if len(set(names)) < len(names) or not set(names) <= set(DIMENSIONS):
        raise invalid_query(f"group_by must be some of {', '.join(DIMENSIONS)}")
    groups = await truth.groups(names, start=start, finish=finish)
    rows = [
        {
            **{name: told_value(name, value) for name, value in zip(names, key, strict=True)},
            **totals.to_json(),
        }
        for key, totals in sorted(groups.items())
    ]
    return json_response(envelope({**result, "groups": rows}))


def _hour(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        at = parse_utc(text)
    except (ValueError, OverflowError):
        raise invalid_query(f"{name} must be an RFC 3339 time") from None
    return at.replace(minute=0, second=0, microsecond=0)
