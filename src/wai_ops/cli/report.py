"""`wai report`: questions answered from the ledger. The imports stand in the order of its help."""
# isort: skip_file

from wai_ops.cli import (
    report_cost,
    report_failures,
    report_affinity,
    report_cache,
    report_slo,
    report_tools,
    report_prompts,
    report_kpi,
    report_audit_cost,
    report_anomalies,
    report_timeline,
    report_baseline,
    report_html,
)
from wai_ops.cli.report_app import app

__all__ = [
    "app",
    "report_affinity",
    "report_anomalies",
    "report_audit_cost",
    "report_baseline",
    "report_cache",
    "report_cost",
    "report_failures",
    "report_html",
    "report_kpi",
    "report_prompts",
    "report_slo",
    "report_timeline",
    "report_tools",
]
