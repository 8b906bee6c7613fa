"""The limits of a workflow, for those who import `control` anyway; see `config/envelope.py`."""

from wai_ops.config.envelope import NAMES, Envelope

__all__ = ["NAMES", "Envelope"]
