"""What the rules of `wai policy lint` look at, and how they say where they found something."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wai_ops.control.policy.compiled import Place, WorkflowPolicy
from wai_ops.control.policy.registry import Registry
from wai_ops.control.policy.tabled import PlacedTest
from wai_ops.core.findings import Finding, Rule
from wai_ops.core.prices import PriceBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the project beside its policies. None: it is not there, or not known."""

    prices: PriceBook
    now: datetime
    private_hosts: frozenset[str] = frozenset()
    """Hosts with private addresses in wai.yaml."""
    default_workflow: str = ""
    default_model: str = ""
    tools: Mapping[str, str] | None = None
    """Declared tool -> `tools/crm.yaml:4`."""
    committed: Registry | None = None
    """The policies as the last commit has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All policies of a project, and its surroundings."""

    registry: Registry
    label: str
    """How the folder is named in places: `policies`."""
    tests: Sequence[PlacedTest]
    around: Surroundings
    unread: Sequence[str] = ()
    """YAML files below the folder that nothing reads."""

    @property
    def workflows(self) -> Iterator[WorkflowPolicy]:
        """Every workflow, in the order of the files."""
        yield from self.registry.workflows.values()


Check = Callable[[Look], Iterator[Finding]]


def found(
    rule: Rule, place: Place | str, message: str, *, key: str = "", hint: str = ""
) -> Finding:
    """A finding at the place of a rule, or at `file:line`."""
    where = place if isinstance(place, str) else place.where
    file, _, line = where.rpartition(":")
    is_placed = bool(file) and line.isdigit()
    return Finding(
        rule=rule.id,
        level=rule.level,
        message=message,
        file=file if is_placed else where,
        line=int(line) if is_placed else 0,
        hint=hint or rule.fix,
        key=key or message,
    )
