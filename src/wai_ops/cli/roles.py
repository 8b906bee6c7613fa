"""Which command works with which token. The table is the rule: a command outside of it gets none.

`open_connection` looks a command up here before it looks for a token, so that a command can only
ever hold the token of its own role; of the other one it never even asks whether there is one.
"""

from collections.abc import Mapping

from wai_ops.config.credentials import Role

_RUNTIME, _OPERATOR = frozenset({Role.RUNTIME}), frozenset({Role.OPERATOR})
ROLES: Mapping[str, frozenset[Role]] = {
    "run": _RUNTIME,
    "chat": _RUNTIME,
    "prompts compare": _RUNTIME,
    "models sync": _RUNTIME,
    "logs pull": _OPERATOR,
    "logs status": _OPERATOR,
    "budget plan": _OPERATOR,
    "budget drift": _OPERATOR,
    "budget push": _OPERATOR,
    "budget import": _OPERATOR,
    "budget rollback": _OPERATOR,
    "budget destroy": _OPERATOR,
    "budget verify": _OPERATOR,
    "budget reconcile": _OPERATOR,
    "budget lint": _OPERATOR,
    "doctor": _RUNTIME | _OPERATOR,
}
"""Command -> the roles whose tokens it may use. Only the doctor looks at both, one after the other:
it changes nothing, runs no model, and never puts one in place of the other."""


def check_declared(role: Role) -> None:
    """Raise RuntimeError, which is a bug, when the command that runs does not declare the role."""
    command = _running_command()
    if command is not None and role not in ROLES.get(command, frozenset()):
        raise RuntimeError(
            f"`wai {command}` does not declare the {role.value} role: see cli/roles.py"
        )


def _running_command() -> str | None:
    """The command that Typer is running; None when this was called from Python."""
    # Typer gives its copy of this function no public name; the test of this module would notice.
    from typer._click.globals import get_current_context

    context = get_current_context(silent=True)
    return None if context is None else context.command_path.partition(" ")[2]
