"""`wai schema`: what the --json output of a command looks like."""

from typing import Annotated, Any

import typer

from wai_ops.cli.app import new_app

app = new_app()

RECORDS: dict[str, str] = {
    "prompts diff": "wai_ops.runtime.prompt_review:PromptReview",
    "prompts canary": "wai_ops.prompts.releasing:ReleaseChange",
    "prompts compare": "wai_ops.runtime.compare_result:CompareResult",
    "prompts compare --dry-run": "wai_ops.runtime.compare_show:ComparePreview",
    "prompts label --remove": "wai_ops.prompts.releasing:ReleaseChange",
    "prompts promote": "wai_ops.prompts.releasing:ReleaseChange",
    "prompts rollback": "wai_ops.prompts.releasing:ReleaseChange",
    "models show": "wai_ops.observe.models:ModelDetail",
    "run": "wai_ops.runtime.result:RunResult",
    "chat": "wai_ops.runtime.result:RunResult",
    "conversations show": "wai_ops.runtime.conversation_detail:ConversationDetail",
    "conversations fork": "wai_ops.runtime.conversation_change:Forked",
    "conversations delete": "wai_ops.runtime.conversation_change:Removed",
    "conversations prune": "wai_ops.runtime.conversation_change:Removed",
    "run (refused)": "wai_ops.runtime.governed_result:RunRefusal",
    "run --dry-run": "wai_ops.runtime.preview:RunPreview",
    "affinity show": "wai_ops.runtime.affinity_view:AffinityDetail",
    "envelope show": "wai_ops.control.envelopes.view:EnvelopeView",
    "audit checkpoint": "wai_ops.control.decisions.sign:Signed",
    "audit show ID": "wai_ops.control.decisions.listing:ActionDetail",
    "affinity rotate": "wai_ops.runtime.affinity_view:AffinityDetail",
    "ledger fold": "wai_ops.observe.ledger.fold:FoldResult",
    "logs pull": "wai_ops.observe.ingest.pull_result:PullResult",
    "ledger rebuild": "wai_ops.observe.ledger.rebuild:RebuildResult",
    "logs export": "wai_ops.observe.ingest.export:ExportResult",
    "logs import": "wai_ops.observe.ingest.importing:ImportResult",
    "logs prune": "wai_ops.observe.ingest.pruning:PruneResult",
    "outcomes feedback": "wai_ops.observe.reports.outcome_import:OutcomeImport",
    "outcomes import": "wai_ops.observe.reports.outcome_import:OutcomeImport",
    "outcomes record": "wai_ops.observe.reports.outcomes:OutcomeRecorded",
    "prompts import": "wai_ops.prompts.dotprompt.importing:ImportReport",
    "prompts lint": "wai_ops.prompts.lint.report:LintReport",
    "prompts render": "wai_ops.prompts.detail:Rendering",
    "prompts show": "wai_ops.prompts.detail:PromptDetail",
    "prompts verify": "wai_ops.prompts.verify:VerifyReport",
    "policy backtest": "wai_ops.control.policy.backtesting:Backtest",
    "policy explain": "wai_ops.control.policy.explaining:Explanation",
    "policy init": "wai_ops.control.policy.starter:Written",
    "policy lint": "wai_ops.control.policy.lint.runner:LintReport",
    "policy test": "wai_ops.control.policy.tabled:TestRun",
    "route explain": "wai_ops.control.routing.explain:RouteExplanation",
    "budget destroy": "wai_ops.control.budgets.push:PushResult",
    "budget drift": "wai_ops.control.budgets.plan:PlanDocument",
    "budget import": "wai_ops.control.budgets.push:TakenOver",
    "budget lint": "wai_ops.control.budgets.lint.runner:LintReport",
    "budget plan": "wai_ops.control.budgets.plan:PlanDocument",
    "budget push": "wai_ops.control.budgets.push:PushResult",
    "budget rollback": "wai_ops.control.budgets.push:PushResult",
    "tools call": "wai_ops.cli.tools_call:ToolCallResult",
}
"""Commands whose --json is one record: command -> the dataclass of that record."""

TABLES: dict[str, str] = {
    "budget alerts": "wai_ops.control.budgets.alerting:AlertRow",
    "budget alerts --test": "wai_ops.control.budgets.alerting:ChannelTestRow",
    "budget check": "wai_ops.control.budgets.outlook:BudgetCheckRow",
    "budget forecast": "wai_ops.control.budgets.outlook:ForecastRow",
    "budget status": "wai_ops.control.budgets.status:StatusRow",
    "prompts label": "wai_ops.prompts.releasing:LabelRow",
    "conversations list": "wai_ops.runtime.conversation_list:ConversationRow",
    "doctor": "wai_ops.observe.doctor.rows:CheckRow",
    "envelope reconcile": "wai_ops.control.envelopes.reconcile:Reconciled",
    "envelope show --format": "wai_ops.control.envelopes.view:BudgetRow",
    "budget bound": "wai_ops.control.budgets.bounding:BoundRow",
    "budget bound --factors": "wai_ops.control.budgets.bounding:FactorRow",
    "budget bound --measure": "wai_ops.cli.budget_burst:BurstRow",
    "budget verify": "wai_ops.control.budgets.verify:VerifyRow",
    "budget backtest": "wai_ops.control.budgets.backtest:BacktestRow",
    "budget backtest --calls": "wai_ops.control.budgets.backtest:RefusedRow",
    "policy diff": "wai_ops.control.policy.comparing:ChangeRow",
    "policy lint --rules": "wai_ops.control.policy.lint.runner:RuleRow",
    "policy show": "wai_ops.control.policy.listing:PolicyRow",
    "policy check-url": "wai_ops.control.outbound.checking:UrlRow",
    "budget lint --rules": "wai_ops.control.budgets.lint.runner:RuleRow",
    "budget reconcile": "wai_ops.control.budgets.reconcile:DayRow",
    "config show": "wai_ops.config.show:SettingRow",
    "logs audit": "wai_ops.observe.redact.audit:AuditRow",
    "affinity list": "wai_ops.runtime.affinity_view:AffinityRow",
    "audit reconstruct": "wai_ops.control.decisions.reconstruct:ActionRow",
    "audit show": "wai_ops.control.decisions.listing:DecisionRow",
    "audit verify": "wai_ops.control.decisions.report:FindingRow",
    "ledger status": "wai_ops.observe.ledger.status:LedgerStatus",
    "logs status": "wai_ops.observe.ingest.status:DayStatus",
    "models list": "wai_ops.observe.models:ModelRow",
    "models sync": "wai_ops.observe.models:ChangeRow",
    "outcomes list": "wai_ops.observe.reports.outcomes:OutcomeRow",
    "prompts freeze": "wai_ops.prompts.store:FreezeRow",
    "prompts lint --rules": "wai_ops.prompts.lint.report:RuleRow",
    "prompts list": "wai_ops.prompts.listing:PromptRow",
    "prompts log": "wai_ops.prompts.listing:LogRow",
    "report anomalies": "wai_ops.observe.reports.anomalies:AnomalyRow",
    "report anomalies --by day": "wai_ops.observe.reports.anomalies_by:AnomalyByDay",
    "report anomalies --by gateway": "wai_ops.observe.reports.anomalies_by:AnomalyByGateway",
    "report anomalies --by model": "wai_ops.observe.reports.anomalies_by:AnomalyByModel",
    "report anomalies --by prompt": "wai_ops.observe.reports.anomalies_by:AnomalyByPrompt",
    "report anomalies --by provider": "wai_ops.observe.reports.anomalies_by:AnomalyByProvider",
    "report anomalies --by route": "wai_ops.observe.reports.anomalies_by:AnomalyByRoute",
    "report anomalies --by source": "wai_ops.observe.reports.anomalies_by:AnomalyBySource",
    "report anomalies --by target": "wai_ops.observe.reports.anomalies_by:AnomalyByTarget",
    "report anomalies --by tenant": "wai_ops.observe.reports.anomalies_by:AnomalyByTenant",
    "report anomalies --by workflow": "wai_ops.observe.reports.anomalies_by:AnomalyByWorkflow",
    "report audit-cost": "wai_ops.observe.reports.audit_cost:AuditRow",
    "report baseline list": "wai_ops.observe.reports.baseline:BaselineRow",
    "report baseline show": "wai_ops.observe.reports.baseline:FrozenRow",
    "report affinity": "wai_ops.observe.reports.affinity:AffinityByWorkflow",
    "report affinity --by day": "wai_ops.observe.reports.affinity:AffinityByDay",
    "report affinity --by model": "wai_ops.observe.reports.affinity:AffinityByModel",
    "report affinity --by route": "wai_ops.observe.reports.affinity:AffinityByRoute",
    "report affinity --by tenant": "wai_ops.observe.reports.affinity:AffinityByTenant",
    "report cache": "wai_ops.observe.reports.cache:CacheByWorkflow",
    "report cache --by day": "wai_ops.observe.reports.cache:CacheByDay",
    "report cache --by model": "wai_ops.observe.reports.cache:CacheByModel",
    "report cache --by route": "wai_ops.observe.reports.cache:CacheByRoute",
    "report cache --by tenant": "wai_ops.observe.reports.cache:CacheByTenant",
    "report cost": "wai_ops.observe.reports.cost:CostByWorkflow",
    "report cost --by conversation": "wai_ops.observe.reports.cost:CostByConversation",
    "report cost --by day": "wai_ops.observe.reports.cost:CostByDay",
    "report cost --by gateway": "wai_ops.observe.reports.cost:CostByGateway",
    "report cost --by model": "wai_ops.observe.reports.cost:CostByModel",
    "report cost --by prompt": "wai_ops.observe.reports.cost:CostByPrompt",
    "report cost --by provider": "wai_ops.observe.reports.cost:CostByProvider",
    "report cost --by route": "wai_ops.observe.reports.cost:CostByRoute",
    "report cost --by source": "wai_ops.observe.reports.cost:CostBySource",
    "report cost --by target": "wai_ops.observe.reports.cost:CostByTarget",
    "report cost --by tenant": "wai_ops.observe.reports.cost:CostByTenant",
    "report failures": "wai_ops.observe.reports.failures:FailureRow",
    "report failures --unknown": "wai_ops.observe.reports.failures:FailureShape",
    "report kpi": "wai_ops.observe.reports.kpi:KpiRow",
    "report kpi --by day": "wai_ops.observe.reports.kpi:KpiByDay",
    "report kpi --by gateway": "wai_ops.observe.reports.kpi:KpiByGateway",
    "report kpi --by model": "wai_ops.observe.reports.kpi:KpiByModel",
    "report kpi --by prompt": "wai_ops.observe.reports.kpi:KpiByPrompt",
    "report kpi --by provider": "wai_ops.observe.reports.kpi:KpiByProvider",
    "report kpi --by route": "wai_ops.observe.reports.kpi:KpiByRoute",
    "report kpi --by source": "wai_ops.observe.reports.kpi:KpiBySource",
    "report kpi --by target": "wai_ops.observe.reports.kpi:KpiByTarget",
    "report kpi --by tenant": "wai_ops.observe.reports.kpi:KpiByTenant",
    "report kpi --by workflow": "wai_ops.observe.reports.kpi:KpiByWorkflow",
    "report prompts": "wai_ops.observe.reports.prompts:PromptRow",
    "report prompts --promotion": "wai_ops.observe.reports.release:ReleaseRow",
    "report prompts --versions": "wai_ops.observe.reports.release:ReleaseRow",
    "report slo": "wai_ops.observe.reports.slo:SloByWorkflow",
    "report slo --by model": "wai_ops.observe.reports.slo:SloByModel",
    "report slo --by tenant": "wai_ops.observe.reports.slo:SloByTenant",
    "report timeline": "wai_ops.observe.reports.timeline:TimelineRow",
    "report tools": "wai_ops.observe.reports.tools:ToolFamilyRow",
    "report tools --by tool": "wai_ops.observe.reports.tools:ToolRow",
    "tools check": "wai_ops.runtime.tools.listing:ToolProblemRow",
    "tools list": "wai_ops.runtime.tools.listing:ToolListRow",
    "route backtest": "wai_ops.control.routing.backtest:BacktestRow",
}
"""Commands whose --json is a table: command -> the dataclass of its rows."""


@app.command()
def schema(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Such as: models list")
    ] = None,
) -> None:
    """Print the JSON Schema of a command's --json output; without one, list the commands.

    \b
    Examples:
      wai schema
      wai schema models list
      wai schema "report cost --by tenant"
    """
    from wai_ops.cli.output import print_json
    from wai_ops.core.errors import UsageError

    known = sorted(RECORDS | TABLES)
    if not command:
        typer.echo("\n".join(known))
        return
    name = " ".join(part for word in command for part in word.split())
    if name not in known:
        from wai_ops.config.problems import nearest

        near = nearest(name, known)
        hint = f"did you mean: wai schema {near}" if near else "see: wai schema"
        raise UsageError(f"`{name}` has no --json output that is described", hint=hint)
    print_json(schema_of(name))


def schema_of(name: str) -> dict[str, Any]:
    """Build the schema of a command listed above. Raises KeyError for any other."""
    from pydantic import TypeAdapter

    target = RECORDS[name] if name in RECORDS else TABLES[name]
    record = _closed(TypeAdapter(_load(target)).json_schema(mode="serialization"))
    definitions = record.pop("$defs", {})
    body = record if name in RECORDS else _table_of(record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        "title": f"wai {name} --json",
        **({"$defs": definitions} if definitions else {}),
    }


def _load(target: str) -> Any:
    import importlib

    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _closed(schema: Any) -> Any:
    """Say of every object what holds of our output: all keys are there, and no others."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "default"}
    properties = schema.get("properties")
    if isinstance(properties, dict):
        # Their names are no keywords: one of them may be called `default`.
        closed |= {
            "properties": {name: _closed(value) for name, value in properties.items()},
            "required": list(properties),
            "additionalProperties": False,
        }
    return closed


def _table_of(row: dict[str, Any]) -> dict[str, Any]:
    """The object around the rows, the same for every table."""
    from wai_ops.core.table import Unit, Verdict

    text = {"type": "string"}
    column = _object(
        {
            "name": text,
            "label": text,
            "unit": {"type": "string", "enum": [unit.value for unit in Unit]},
        }
    )
    return _object(
        {
            "title": text,
            "columns": {"type": "array", "items": column},
            "rows": {"type": "array", "items": row},
            "total": {"anyOf": [row, {"type": "null"}]},
            "notes": {"type": "array", "items": text},
            "verdict": {"enum": [*(verdict.value for verdict in Verdict), None]},
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
