"""A prompt in use: which version a reference means here, and what it says about the request.

What a prompt says is its messages, model, parameters, tools and schema. A flag may change that;
then the version carries the names of what was changed (`3+model`), in the metadata and in every
record, because it is not that version any more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from wai_ops.core.errors import DeniedError, UsageError
from wai_ops.prompts.errors import PromptError
from wai_ops.prompts.files import read_below
from wai_ops.prompts.frontmatter import FrontMatter
from wai_ops.prompts.input_file import SUFFIXES, read_input
from wai_ops.prompts.lockfile import Lock, lock_path, read_lock
from wai_ops.prompts.names import is_prompt_name
from wai_ops.prompts.reference import Kind, Reference, Resolved, parse_reference, resolve
from wai_ops.prompts.release import Policy, work_refusal
from wai_ops.prompts.rendering import render_messages, typed_values
from wai_ops.prompts.source import SUFFIX, Source, parse_source
from wai_ops.prompts.version import digest, work_version
from wai_ops.runtime.prompt_limits import limits_of_prompt, workflow_of
from wai_ops.runtime.request import PromptLimits, PromptRelease

_SAMPLING = ("top_p", "top_k", "frequency_penalty", "presence_penalty", "repetition_penalty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What the command line says; None: nothing, and the prompt decides."""

    model: str | None = None
    max_output_tokens: int | None = None
    temperature: Decimal | None = None
    seed: int | None = None
    system: str | None = None
    schema: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUse:
    """A prompt, filled in, with the changes of the command line."""

    name: str
    version: str
    """As metadata and records have it, the marks of what was changed included."""
    release: PromptRelease
    opening: tuple[Mapping[str, str], ...]
    """The messages before the user's last one."""
    text: str
    model: str | None
    max_output_tokens: int | None
    temperature: Decimal | None
    seed: int | None
    sampling: Mapping[str, Any]
    schema: dict[str, Any] | None
    tools: list[dict[str, Any]] | None
    workflow: str | None
    """What the envelope says."""
    limits: PromptLimits | None
    """What else it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The prompt that a reference means here, not filled in yet."""

    source: Source
    version: str
    release: PromptRelease


def find_prompt(
    text: str, *, folder: Path, policy: Policy, tenant: str | None, conversation_id: str | None
) -> Found:
    """Find what `name@3`, `name@production`, `name@work`, `name` or a path to a file means.

    Raises PromptError when it means nothing, and DeniedError for what is not released.
    """
    reference = _below(folder, text) if _is_path(text) else parse_reference(text)
    if reference is None:
        return _from_file(Path(text), policy)
    lock = read_lock(lock_path(folder))
    resolved = resolve(
        lock,
        folder,
        reference,
        conversation_id=conversation_id,
        tenant=tenant,
        policy=policy,
    )
    source = resolved.source
    release = PromptRelease(
        sha256=resolved.frozen.sha256 if resolved.frozen else digest(source),
        frozen=resolved.frozen is not None,
        label=resolved.label,
        canary=resolved.is_canary,
        canary_percent=_canary_percent(lock, resolved),
        overrides=(),
    )
    return Found(source=source, version=resolved.version_text, release=release)


def use_prompt(
    found: Found,
    values: Mapping[str, Any],
    *,
    user_text: str | None = None,
    changes: Changes | None = None,
) -> PromptUse:
    """Fill in a prompt. `user_text` is the last message where the prompt has none of its own.

    Raises PromptError for values that do not fit, and UsageError for a text too many or missing.
    """
    changes = changes or Changes()
    source, front = found.source, found.source.front
    messages: list[Mapping[str, str]] = [*render_messages(source, values)]
    opening, text = _split(messages, user_text, source)
    if changes.system is not None:
        if any(message["role"] == "system" for message in opening):
            raise UsageError(
                "the prompt has a system text of its own: leave --system out", where=source.path
            )
        opening = ({"role": "system", "content": changes.system}, *opening)
    overrides = _overrides(front, changes)
    parameters = front.parameters
    temperature = _decimal(parameters.temperature)
    schema = front.output_schema if changes.schema is None else changes.schema
    tools = front.tools if changes.tools is None else changes.tools
    return PromptUse(
        name=source.name,
        version="+".join((found.version, *overrides)),
        release=PromptRelease(
            sha256=found.release.sha256,
            frozen=found.release.frozen,
            label=found.release.label,
            canary=found.release.canary,
            canary_percent=found.release.canary_percent,
            overrides=overrides,
        ),
        opening=opening,
        text=text,
        model=_model(source, changes),
        max_output_tokens=_first(changes.max_output_tokens, parameters.max_output_tokens),
        temperature=_first(changes.temperature, temperature),
        seed=_first(changes.seed, parameters.seed),
        sampling=_sampling(front),
        schema=None if schema is None else dict(schema),
        tools=[dict(tool) for tool in tools] or None,
        workflow=workflow_of(source),
        limits=limits_of_prompt(source),
    )


def typed(found: Found, texts: Mapping[str, str]) -> dict[str, Any]:
    """The values of `--var` as the prompt declares their types. Raises PromptError."""
    return typed_values(found.source, texts)


def _is_path(text: str) -> bool:
    """Whether this names a file: a reference begins plainly and has no suffix of a prompt file."""
    if not text[:1].isalnum() or ("@" not in text and text.endswith(SUFFIXES)):
        return True
    try:
        return Path(text).is_file()
    except OSError:  # longer than any name of a file
        return False


def _below(folder: Path, text: str) -> Reference | None:
    """A file in `prompts/` is that prompt's working tree, whichever way it is named."""
    try:
        path = Path(text).resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return None
    name = path.removesuffix(SUFFIX)
    if name == path or not is_prompt_name(name):
        return None
    return Reference(name=name, kind=Kind.WORK, value="work")


def _from_file(path: Path, policy: Policy) -> Found:
    """A file by its path: unfrozen like the working tree, with its parts beside it."""
    if refusal := work_refusal(policy):
        raise DeniedError(
            f"{path}: {refusal}",
            hint="freeze it below prompts/ and name the version: wai prompts freeze NAME -m WHY",
        )
    content = read_input(path, "prompt file").encode("utf-8")
    name = path.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    if not is_prompt_name(name):
        raise UsageError(
            f"{path.name!r} gives no usable prompt name",
            hint="use letters, digits and . _ - in the file name",
        )

    def read(part: str) -> bytes:
        return content if part == f"{name}{SUFFIX}" else read_below(path.parent, part)

    source = _placed(lambda: parse_source(name, read), path)
    release = PromptRelease(
        sha256=digest(source),
        frozen=False,
        label=None,
        canary=False,
        canary_percent=None,
        overrides=(),
    )
    return Found(source=source, version=work_version(source), release=release)


def _placed(load: Callable[[], Source], path: Path) -> Source:
    """Load, and name the places of what is wrong by the path that the user gave."""
    try:
        return load()
    except PromptError as error:
        place = (error.where or "").removeprefix("prompts/")
        where = str(path.parent / place) if place else str(path)
        raise PromptError(error.message, hint=error.hint, where=where) from error


def _canary_percent(lock: Lock, resolved: Resolved) -> int | None:
    canaries = lock.get(resolved.source.name).canaries
    return next((item.percent for item in canaries if item.label == resolved.label), None)


def _split(
    messages: Sequence[Mapping[str, str]], user_text: str | None, source: Source
) -> tuple[tuple[Mapping[str, str], ...], str]:
    """The opening, and the user's last message."""
    *before, last = messages
    if last["role"] == "user":
        if user_text is not None:
            raise UsageError(
                "the prompt ends with a message of the user: give either TEXT or --prompt",
                where=source.path,
            )
        return tuple(before), last["content"]
    if user_text is None:
        raise UsageError(
            "the prompt ends without a message of the user",
            where=source.path,
            hint='give it as TEXT: wai run --prompt NAME "the question"',
        )
    return tuple(messages), user_text


def _overrides(front: FrontMatter, changes: Changes) -> tuple[str, ...]:
    """What differs from what the version says. What it leaves open, a flag may fill in."""
    parameters = front.parameters
    says_other = {
        "model": front.route is not None or front.model not in (None, changes.model),
        "max_output_tokens": parameters.max_output_tokens not in (None, changes.max_output_tokens),
        "temperature": _decimal(parameters.temperature) not in (None, changes.temperature),
        "seed": parameters.seed not in (None, changes.seed),
        # A version without these is one that has none: nothing else fills them in.
        "system": True,
        "schema": front.output_schema != changes.schema,
        "tools": [dict(tool) for tool in front.tools] != changes.tools,
    }
    return tuple(
        sorted(
            name
            for name, differs in says_other.items()
            if getattr(changes, name) is not None and differs
        )
    )


def _model(source: Source, changes: Changes) -> str | None:
    if changes.model is None and source.front.route is not None:
        raise UsageError(
            f"the prompt names the route {source.front.route}, and a direct call takes no route",
            where=source.path,
            hint="give --model",
        )
    return changes.model or source.front.model


def _sampling(front: FrontMatter) -> dict[str, Any]:
    found = {name: getattr(front.parameters, name) for name in _SAMPLING}
    said = {name: value for name, value in found.items() if value is not None}
    if front.parameters.stop is not None:
        said["stop"] = list(front.parameters.stop)
    return said


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _first(given: Any, said: Any) -> Any:
    return said if given is None else given
