"""How checkpoints are made here: settings, the flag, and a frozen prompt of the project."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from wai_ops.cli.context import AppContext
from wai_ops.core.errors import UsageError
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy

if TYPE_CHECKING:
    from wai_ops.prompts.source import Source
    from wai_ops.runtime.checkpoint_prompt import CheckpointPrompt, Request

MOST_TURNS = 1000
_VARIABLES = frozenset({"messages", "facts", "summary", "max_words"})


def every_turns_of(text: str | None, default: int) -> int:
    """Read `--checkpoint-every N|off`; 0: off. Raises UsageError."""
    if text is None:
        return default
    if text == "off":
        return 0
    if text.isascii() and text.isdigit() and 0 < int(text) <= MOST_TURNS:
        return int(text)
    raise UsageError(
        f"--checkpoint-every {text!r} is neither a number of turns nor off",
        hint=f"1 to {MOST_TURNS}, or off",
    )


def checkpoint_policy_of(
    context: AppContext, every: str | None = None, *, tenant: str = "", is_governed: bool = False
) -> CheckpointPolicy:
    """Return how checkpoints are made. `every` is the flag.

    A project with policies calls no model that nobody named: the conversation's own sums up.
    Raises UsageError for a prompt that is not frozen or does not take what it is given.
    """
    from wai_ops.config.governed import is_governed as has_policies

    settings = context.settings.checkpoints
    turns = every_turns_of(every, settings.every_turns)
    policy = CheckpointPolicy(
        every_turns=turns,
        keep_turns=min(settings.keep_turns, max(1, turns - 1)) if turns else settings.keep_turns,
        max_tokens=settings.max_tokens,
        model=settings.model,
        # Budgets alone govern a run as well, and let any model be called.
        uses_own_model=is_governed and has_policies(context.settings, context.cwd),
    )
    if settings.prompt is None:
        return policy
    from dataclasses import replace

    return replace(policy, prompt=_project_prompt(context, settings.prompt, tenant))


def _project_prompt(context: AppContext, text: str, tenant: str) -> "CheckpointPrompt":
    from pathlib import Path

    from wai_ops.cli.prompts_app import prompts_folder
    from wai_ops.config.settings import ReleaseControl
    from wai_ops.prompts.release import Policy
    from wai_ops.runtime.checkpoint_prompt import ProjectPrompt
    from wai_ops.runtime.prompt_use import find_prompt

    found = find_prompt(
        text,
        folder=prompts_folder(context.settings, Path()),
        policy=Policy(release_control=ReleaseControl.STRICT),
        tenant=tenant or None,
        conversation_id=None,
    )
    declared = set(found.source.front.variables or ())
    if "messages" not in declared or declared - _VARIABLES:
        raise UsageError(
            f"the prompt {found.source.name} does not take what a checkpoint is made of",
            where="checkpoints.prompt",
            hint="declare the variables messages, and if you like facts, summary and max_words",
        )
    return ProjectPrompt(
        name=found.source.name,
        version=found.version,
        sha256=found.release.sha256,
        render=lambda values: _filled(found.source, values),
    )


def _filled(source: "Source", values: Mapping[str, str]) -> "Request":
    from wai_ops.prompts.rendering import render_messages, typed_values
    from wai_ops.runtime.checkpoint_prompt import Request

    front = source.front
    given = {name: values[name] for name in front.variables or ()}
    *before, last = render_messages(source, typed_values(source, given))
    if last["role"] != "user":
        raise UsageError("the prompt ends without a message of the user", where=source.path)
    temperature = front.parameters.temperature
    return Request(
        opening=tuple(before),
        text=last["content"],
        schema=None if front.output_schema is None else dict(front.output_schema),
        model=front.model,
        temperature=None if temperature is None else Decimal(str(temperature)),
    )
