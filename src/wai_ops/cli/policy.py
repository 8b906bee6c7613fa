"""`wai policy`: the commands on policies, each registering itself on the group's app."""

from wai_ops.cli.policy_app import app

__all__ = ["app"]
