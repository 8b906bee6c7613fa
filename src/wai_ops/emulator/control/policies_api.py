"""The policies of a gateway: drafts, commits, changes and dry runs.

Answers are `{success, result, ...}`, refusals `{success: false, error: {message}}`: not the v4
envelope.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from wai_ops.core.ids import uuid7
from wai_ops.emulator.answers import json_response
from wai_ops.emulator.control.documents import Document, Table, gateway_parent
from wai_ops.emulator.control.requests import Fields, read_fields, read_json
from wai_ops.emulator.errors import ApiError
from wai_ops.emulator.gateway.policies.policy import PolicyError
from wai_ops.emulator.gateway.policies.simulate import simulate
from wai_ops.emulator.gateway.policy_book import COMMITTED, DRAFT, compile_error, parse_stored
from wai_ops.emulator.gateway.refusals import PolicyRefusalError
from wai_ops.emulator.services import Services
from wai_ops.emulator.times import to_unix_seconds

_FIELDS = ("name", "actor", "resource", "condition", "action")


async def list_policies(services: Services, request: Request) -> Response:
    """`GET .../policies[?includeStaging=true]`: drafts stand in for what they change."""
    parent = await _parent(services, request)
    rows = await services.gateways.documents.read(
        lambda table: _shown(table, parent) if _staging(request) else _live(table, parent)
    )
    return json_response({"success": True, "result": rows})


async def get_policy(services: Services, request: Request) -> Response:
    """`GET .../policies/{id}[?includeStaging=true]`."""
    parent = await _parent(services, request)
    policy_id = request.path_params["policy_id"]

    def query(table: Table) -> tuple[Document | None, bool]:
        draft = table.get(DRAFT, parent, policy_id) if _staging(request) else None
        return draft or table.get(COMMITTED, parent, policy_id), draft is not None

    document, is_draft = await services.gateways.documents.read(query)
    if document is None:
        raise _no_policy()
    uncommitted = {"uncommitted": True} if is_draft else {}
    return json_response({"success": True, "result": _to_json(document), **uncommitted})


async def create_policy(services: Services, request: Request) -> Response:
    """`POST .../policies[?commit=true]`: a draft, unless it is committed at once."""
    parent = await _parent(services, request)
    fields = await read_fields(request, _refuse)
    fields.require(*_FIELDS)
    body = _body(fields)
    policy_id = uuid7(services.clock.now())
    is_commit = _commit(request)
    kind = COMMITTED if is_commit else DRAFT
    document = await _change(
        services, request, lambda table: table.put(kind, parent, policy_id, body)
    )
    return json_response({"success": True, "result": _to_json(document), "committed": is_commit})


async def update_policy(services: Services, request: Request) -> Response:
    """`PUT .../policies/{id}[?commit=true]`: some fields of a committed policy."""
    parent = await _parent(services, request)
    policy_id = request.path_params["policy_id"]
    fields = await read_fields(request, _refuse)
    is_commit = _commit(request)

    def update(table: Table) -> None:
        committed = table.get(COMMITTED, parent, policy_id)
        if committed is None:
            raise _no_policy()
        draft = table.get(DRAFT, parent, policy_id)
        merged = {**(draft or committed).body, **_given(fields)}
        _check(merged)
        table.put(COMMITTED if is_commit else DRAFT, parent, policy_id, merged)
        if is_commit:
            table.delete(DRAFT, parent, policy_id)

    await _change(services, request, update)
    return json_response({"success": True, "committed": is_commit})


async def delete_policy(services: Services, request: Request) -> Response:
    """`DELETE .../policies/{id}`: the policy and its draft."""
    parent = await _parent(services, request)
    policy_id = request.path_params["policy_id"]

    def delete(table: Table) -> None:
        gone = [table.delete(kind, parent, policy_id) for kind in (COMMITTED, DRAFT)]
        if not any(gone):
            raise _no_policy()

    await _change(services, request, delete)
    return json_response({"success": True})


async def commit_policies(services: Services, request: Request) -> Response:
    """`POST .../policies/commit`: all drafts; one that does not compile stays a draft."""
    parent = await _parent(services, request)

    def commit(table: Table) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        done, errors = [], []
        for draft in table.all(DRAFT, parent):
            problem = compile_error(draft.body)
            if problem is not None:
                errors.append({"policyId": draft.id, "error": problem})
                continue
            done.append(_to_json(table.put(COMMITTED, parent, draft.id, draft.body)))
            table.delete(DRAFT, parent, draft.id)
        return done, errors

    done, errors = await _change(services, request, commit)
    result: dict[str, Any] = {"committed": len(done), "failed": len(errors), "policies": done}
    if errors:
        result["errors"] = errors
    return json_response({"success": True, "result": result})


async def simulate_policies(services: Services, request: Request) -> Response:
    """`POST .../policies/simulate`: what live policies and drafts would say."""
    parent = await _parent(services, request)
    body = await read_json(request, _refuse)
    documents = await services.gateways.documents.read(lambda table: _staged(table, parent))
    policies = [parse_stored(document) for document in documents]
    try:
        result = simulate(policies, body, now=services.clock.now())
    except PolicyError as error:
        raise _refuse(str(error)) from error
    return json_response({"success": True, "result": result})


async def _change(services: Services, request: Request, work: Any) -> Any:
    delay_s = services.knobs.current.policies.propagation_delay_ms / 1000
    return await services.gateways.policies.change(
        request.path_params["gateway_id"], work, now=services.clock.now(), delay_s=delay_s
    )


async def _parent(services: Services, request: Request) -> str:
    gateway_id = request.path_params["gateway_id"]
    if await services.gateways.get(gateway_id) is None:
        raise PolicyRefusalError(404, {"message": "Gateway not found"})
    return gateway_parent(gateway_id)


def _given(fields: Fields) -> dict[str, Any]:
    return {name: fields.values[name] for name in _FIELDS if name in fields}


def _body(fields: Fields) -> dict[str, Any]:
    body = _given(fields)
    _check(body)
    return body


def _check(body: dict[str, Any]) -> None:
    problem = compile_error(body)
    if problem is not None:
        raise _refuse(problem)


def _live(table: Table, parent: str) -> list[dict[str, Any]]:
    return [_to_json(document) for document in table.all(COMMITTED, parent)]


def _staged(table: Table, parent: str) -> list[Document]:
    """Committed policies as their drafts would change them, then the new drafts."""
    drafts = {draft.id: draft for draft in table.all(DRAFT, parent)}
    committed = table.all(COMMITTED, parent)
    known = {document.id for document in committed}
    changed = [drafts.get(document.id, document) for document in committed]
    return changed + [draft for draft in drafts.values() if draft.id not in known]


def _shown(table: Table, parent: str) -> list[dict[str, Any]]:
    drafts = {draft.id for draft in table.all(DRAFT, parent)}
    return [
        {**_to_json(document), **({"uncommitted": True} if document.id in drafts else {})}
        for document in _staged(table, parent)
    ]


def _to_json(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        **document.body,
        "created_at": to_unix_seconds(document.created_at),
        "updated_at": to_unix_seconds(document.modified_at),
    }


def _staging(request: Request) -> bool:
    return request.query_params.get("includeStaging") == "true"


def _commit(request: Request) -> bool:
    return request.query_params.get("commit") == "true"


def _refuse(message: str) -> ApiError:
    return PolicyRefusalError(400, {"message": message})


def _no_policy() -> ApiError:
    return PolicyRefusalError(404, {"message": "Policy not found"})
