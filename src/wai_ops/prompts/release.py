"""Who may use what: the rules of `prompts.release_control`, apart from finding a version."""

from collections.abc import Mapping
from dataclasses import dataclass

from wai_ops.config.settings import PromptSettings, ReleaseControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for one command."""

    release_control: ReleaseControl = ReleaseControl.OPEN
    in_ci: bool = False
    allow_work_in_ci: bool = False


def policy_of(settings: PromptSettings, environ: Mapping[str, str]) -> Policy:
    """The policy of the settings; CI is told by the variable that every CI service sets."""
    return Policy(
        release_control=settings.release_control,
        in_ci=is_ci(environ),
        allow_work_in_ci=settings.allow_work_in_ci,
    )


def is_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a CI job: `CI` is set to anything but a no."""
    return environ.get("CI", "").lower() not in ("", "0", "false", "no")


def work_refusal(policy: Policy) -> str | None:
    """Say why an unfrozen prompt may not be used; None when it may."""
    if policy.release_control is ReleaseControl.STRICT:
        return "prompts.release_control is strict: unfrozen prompts are not used"
    if policy.in_ci and not policy.allow_work_in_ci:
        return "unfrozen prompts are not used in CI (prompts.allow_work_in_ci is false)"
    return None
