"""The calls behind guards: the gateway object, its policies, its dynamic routes.

Bodies go out as they were read and changed, not through the package's models: those would leave
out what they do not know. The package cannot do policies yet (5.9). What changes something is sent
once: who pushes reads again before trying again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import stamina
import stamina.instrumentation

from wai_ops.cloudflare.api_errors import ApiAccessError, ApiError
from wai_ops.cloudflare.control import MAX_PAGES, ControlPlane
from wai_ops.core.errors import UsageError
from wai_ops.core.text import one_line

_PER_PAGE = 50
_READS = 3
"""How often a read is tried."""
READ = "AI Gateway: Read"
EDIT = "AI Gateway: Edit"
"""Policies need it even to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitResult:
    """What a commit of drafts did."""

    committed_count: int
    failures: tuple[str, ...]
    """One line for each draft that stayed a draft."""


class GuardsApi:
    """The calls on one gateway. Each raises ApiError or ApiAccessError."""

    def __init__(self, plane: ControlPlane, gateway_id: str) -> None:
        """Use an open control plane."""
        self._plane = plane
        self._gateway_id = gateway_id
        self._gateway = f"/ai-gateway/gateways/{quote(gateway_id, safe='')}"

    def gateway(self) -> dict[str, Any]:
        """The whole gateway object, as it is. Raises UsageError when there is no such gateway."""
        what = "GET /ai-gateway/gateways/{gateway}"
        try:
            answer = self._raw("GET", self._gateway, what=what)
        except ApiError as error:
            if error.status != 404:
                raise
            raise UsageError(
                f"the account has no gateway {self._gateway_id}",
                hint="the first call through the default gateway makes it; another one is named "
                "by `gateway` in wai.yaml",
                where=what,
            ) from error
        return _object(answer.get("result"), what)

    def put_gateway(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace the gateway's settings. Returns the object as it is now."""
        what = "PUT /ai-gateway/gateways/{gateway}"
        answer = self._raw("PUT", self._gateway, what=what, body=dict(body))
        return _object(answer.get("result"), what)

    def policies(self, *, with_drafts: bool) -> list[dict[str, Any]]:
        """The policies; with drafts, these stand in for what they change (`uncommitted`)."""
        what = "GET .../policies"
        query = {"includeStaging": "true"} if with_drafts else {}
        answer = self._raw("GET", f"{self._gateway}/policies", what=what, query=query)
        return _objects(answer.get("result"), what)

    def stage_policy(self, body: Mapping[str, Any]) -> str:
        """Make a draft of a new policy. Returns its id."""
        what = "POST .../policies"
        answer = self._raw("POST", f"{self._gateway}/policies", what=what, body=dict(body))
        return _id(_object(answer.get("result"), what), what)

    def stage_change(self, policy_id: str, body: Mapping[str, Any]) -> None:
        """Make a draft of a change to a committed policy."""
        path = f"{self._gateway}/policies/{quote(policy_id, safe='')}"
        self._raw("PUT", path, what="PUT .../policies/{policy}", body=dict(body))

    def delete_policy(self, policy_id: str) -> None:
        """Delete a policy and its draft, at once. One that is gone already is no error."""
        path = f"{self._gateway}/policies/{quote(policy_id, safe='')}"
        self._delete(path, "DELETE .../policies/{policy}")

    def commit_policies(self) -> CommitResult:
        """Put all drafts into force, whoever made them."""
        what = "POST .../policies/commit"
        answer = self._raw("POST", f"{self._gateway}/policies/commit", what=what)
        result = _object(answer.get("result", answer), what)
        errors = [item for item in result.get("errors") or [] if isinstance(item, dict)]
        texts = [
            f"{item.get('policyId', '?')}: {item.get('error', 'no reason')}" for item in errors
        ]
        count = result.get("committed")
        return CommitResult(
            committed_count=count if isinstance(count, int) else 0,
            failures=tuple(one_line(text, 200) for text in texts),
        )

    def simulate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask what the policies, drafts included, would say to a request."""
        what = "POST .../policies/simulate"
        path = f"{self._gateway}/policies/simulate"
        answer = self._raw("POST", path, what=what, body=dict(body))
        return _object(answer.get("result"), what)

    def routes(self) -> list[dict[str, Any]]:
        """All dynamic routes, with the elements that are deployed.

        Raises ApiError when the list does not end.
        """
        what = "GET .../routes"
        found: list[dict[str, Any]] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"page": str(page), "per_page": str(_PER_PAGE)}
            answer = self._raw("GET", f"{self._gateway}/routes", what=what, query=query)
            data = answer.get("data", answer.get("result"))
            rows = data.get("routes") if isinstance(data, dict) else data
            known = {row.get("id") for row in found}
            fresh = [row for row in _objects(rows, what) if row.get("id") not in known]
            found += fresh
            if len(fresh) < _PER_PAGE:
                return [self._with_elements(row) for row in found]
        raise ApiError(f"the list did not end within {MAX_PAGES} pages", where=what)

    def create_route(self, name: str, elements: Sequence[Mapping[str, Any]]) -> str:
        """Make a route. Returns its id; deploy it as well, where the API does not do so itself."""
        what = "POST .../routes"
        body = {"name": name, "elements": list(elements)}
        answer = self._raw("POST", f"{self._gateway}/routes", what=what, body=body)
        result = _object(answer.get("result", answer), what)
        route_id, version = _id(result, what), result.get("version")
        if isinstance(version, dict) and not isinstance(result.get("deployment"), dict):
            self.deploy_version(route_id, _version_id(version, what))
        return route_id

    def deploy_elements(self, route_id: str, elements: Sequence[Mapping[str, Any]]) -> None:
        """Give a route other elements: a new version, then its deployment."""
        what = "POST .../routes/{route}/versions"
        path = f"{self._gateway}/routes/{quote(route_id, safe='')}/versions"
        answer = self._raw("POST", path, what=what, body={"elements": list(elements)})
        result = _object(answer.get("result", answer), what)
        self.deploy_version(route_id, _version_id(result, what))

    def deploy_version(self, route_id: str, version_id: str) -> None:
        """Let a version serve."""
        path = f"{self._gateway}/routes/{quote(route_id, safe='')}/deployments"
        self._raw(
            "POST",
            path,
            what="POST .../routes/{route}/deployments",
            body={"version_id": version_id},
        )

    def delete_route(self, route_id: str) -> None:
        """Delete a route with its versions. One that is gone already is no error."""
        path = f"{self._gateway}/routes/{quote(route_id, safe='')}"
        self._delete(path, "DELETE .../routes/{route}")

    def _raw(self, method: str, path: str, *, what: str, **options: Any) -> dict[str, Any]:
        """Call, and name the permission where the token lacks it. Only reads are tried again."""
        is_read = method == "GET"

        def send() -> dict[str, Any]:
            return self._plane.raw(method, path, what=what, **options)

        try:
            return _again(send) if is_read else send()
        except ApiAccessError as error:
            needed = READ if is_read and "/policies" not in path else EDIT
            error.hint = (
                f"this call needs the permission {needed}; see what the token may do: wai doctor"
            )
            raise

    def _with_elements(self, row: dict[str, Any]) -> dict[str, Any]:
        if "elements" in row:
            return row
        what = "GET .../routes/{route}"
        path = f"{self._gateway}/routes/{quote(_id(row, what), safe='')}"
        return _object(self._raw("GET", path, what=what).get("result"), what)

    def _delete(self, path: str, what: str) -> None:
        try:
            self._raw("DELETE", path, what=what)
        except ApiError as error:
            if error.status != 404:
                raise


def _again(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # Its own log lines would stand between ours on stderr.
    stamina.instrumentation.set_on_retry_hooks(())
    return stamina.retry(on=_may_pass, attempts=_READS, wait_initial=0.3, wait_max=3.0)(read)()


def _may_pass(error: Exception) -> bool:
    """Whether the same read may succeed a moment later."""
    if not isinstance(error, ApiError):
        return False
    return error.is_unreachable or (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise ApiError("the answer holds no object", where=what)


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise ApiError("the answer holds no list of objects", where=what)


def _id(value: Mapping[str, Any], what: str) -> str:
    found = value.get("id")
    if isinstance(found, str) and found:
        return found
    raise ApiError("the answer holds no id", where=what)


def _version_id(value: Mapping[str, Any], what: str) -> str:
    found = value.get("version_id")
    if isinstance(found, str) and found:
        return found
    raise ApiError("the answer holds no version_id", where=what)
