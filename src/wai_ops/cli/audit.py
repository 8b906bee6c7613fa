"""`wai audit`: recorded decisions. The imports stand in the order of its help."""
# isort: skip_file

from wai_ops.cli import (
    audit_show,
    audit_reconstruct,
    audit_verify,
    audit_prove,
    audit_sign,
    audit_anchor,
)
from wai_ops.cli.audit_app import app

__all__ = [
    "app",
    "audit_anchor",
    "audit_prove",
    "audit_reconstruct",
    "audit_show",
    "audit_sign",
    "audit_verify",
]
