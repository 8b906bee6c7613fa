"""The prompt that `--prompt` means: where prompts lie, and which may be used here."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wai_ops.cli.prompts_app import prompts_folder
from wai_ops.config.settings import Settings
from wai_ops.prompts.release import Policy, policy_of
from wai_ops.runtime.prompt_use import Found, find_prompt


def policy(settings: Settings, environ: Mapping[str, str], *, allow_work: bool) -> Policy:
    """What may be used; `--allow-work` lifts what holds in CI, never what holds everywhere."""
    found = policy_of(settings.prompts, environ)
    return replace(found, allow_work_in_ci=found.allow_work_in_ci or allow_work)


def find(
    settings: Settings,
    environ: Mapping[str, str],
    text: str,
    tenant: str,
    conversation_id: str,
    *,
    allow_work: bool,
) -> Found:
    """Find the prompt that `--prompt` means for this conversation."""
    return find_prompt(
        text,
        folder=prompts_folder(settings, Path()),
        policy=policy(settings, environ, allow_work=allow_work),
        tenant=tenant,
        conversation_id=conversation_id,
    )
