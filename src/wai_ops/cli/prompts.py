"""`wai prompts`: the commands on prompts, each registering itself on the group's app."""

from wai_ops.cli import (
    prompts_compare,
    prompts_diff,
    prompts_freeze,
    prompts_import,
    prompts_lint,
    prompts_release,
    prompts_show,
)
from wai_ops.cli.prompts_app import app

__all__ = [
    "app",
    "prompts_compare",
    "prompts_diff",
    "prompts_freeze",
    "prompts_import",
    "prompts_lint",
    "prompts_release",
    "prompts_show",
]
