"""Where policies lie, for those who import `control` anyway; see `config/governed.py`."""

from wai_ops.config.governed import is_governed, policy_folder, project_root

__all__ = ["is_governed", "policy_folder", "project_root"]
