"""Policies for tests: written as files, loaded as a project does."""

from pathlib import Path
from typing import Any

from wai_ops.control.policy.action import Action, ActionKind, OutboundTarget, Verdict
from wai_ops.control.policy.loading import load_contents
from wai_ops.control.policy.registry import Registry, registry_of

HEAD = """\
version: 1
policy: {name}
policy_version: "2026-11-23.1"
workflows:
"""

SUPPORT = """\
version: 1
policy: support
policy_version: "2026-11-23.1"
workflows:
  support:
    default_risk: low
    risk: [low, medium]
    data: [public, internal]
    models:
      low: ["@cf/a/small"]
      medium: ["@cf/a/large"]
    deny_models: ["@cf/a/banned"]
    approvers: [ann]
    tools:
      - name: crm.lookup
        arguments:
          type: object
          required: [id]
          additionalProperties: false
          properties: {id: {type: string, pattern: "^[a-z]+$"}}
        data: [internal]
      - name: crm.refund
        risk: medium
        arguments: {properties: {amount: {type: number, maximum: 50}}, required: [amount]}
      - name: crm.refund
        risk: medium
        arguments: {properties: {amount: {type: number, maximum: 500}}, required: [amount]}
        approval: always
      - name: crm.*
        approval: above-low
      - name: crm.admin.*
        effect: deny
    outbound:
      - host: api.example.com
        methods: [GET]
        paths: [/v1/]
        tools: [crm.lookup]
      - host: "*.example.org"
        ports: [443, 8443]
        methods: [GET, POST]
        paths: ["/"]
      - host: files.example.org
        effect: deny
        paths: [/private]
"""


def registry(*texts: str) -> Registry:
    """The registry of these files."""
    contents = {f"p{place}.yaml": text.encode() for place, text in enumerate(texts)}
    return registry_of(load_contents(contents, "policies"))


def tool_call(tool: str | None, arguments: dict[str, Any] | None = None, **more: Any) -> Action:
    """A call of a tool in the workflow `support`."""
    fields = {"tenant": "t", "workflow": "support", **more}
    return Action(kind=ActionKind.TOOL_CALL, tool=tool, arguments=arguments, **fields)


def model_call(model: str | None, **more: Any) -> Action:
    """A call of a model in the workflow `support`."""
    fields = {"tenant": "t", "workflow": "support", **more}
    return Action(kind=ActionKind.MODEL_CALL, model=model, **fields)


def request(host: str, path: str = "/", **more: Any) -> Action:
    """An outbound request in the workflow `support`."""
    parts = {"scheme": "https", "port": 443, "method": "GET"}
    parts |= {key: more.pop(key) for key in list(more) if key in parts}
    target = OutboundTarget(host=host, path=path, **parts)  # type: ignore[arg-type]  # by name
    fields = {"tenant": "t", "workflow": "support", **more}
    return Action(kind=ActionKind.OUTBOUND_REQUEST, target=target, **fields)


def said(verdict: Verdict) -> tuple[str, str]:
    """The word and the rule of a verdict."""
    return verdict.word.value, verdict.rule


def write_policies(folder: Path, **texts: str) -> Path:
    """Write `policies/NAME.yaml` below a folder; returns `policies`."""
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    for name, text in texts.items():
        (policies / f"{name}.yaml").write_text(text)
    return policies
