"""What an import says: what it refuses, what it leaves out, what it writes another way."""

from dataclasses import dataclass, field

from wai_ops.core.findings import Finding, Level, Rule

REFUSED = Rule(
    id="WI001",
    name="refused",
    level=Level.ERROR,
    why="There is no way to say this in a prompt here, and leaving it out would change the prompt.",
    fix="Change it in the file, and import again.",
)
LEFT_OUT = Rule(
    id="WI002",
    name="left-out",
    level=Level.WARNING,
    why="This is in the file and not in the prompt that came of it.",
    fix="Add by hand what is needed of it.",
)
CHANGED = Rule(
    id="WI003",
    name="changed",
    level=Level.NOTE,
    why="This is written another way, or means a little less or more than before.",
    fix="Look at the result once.",
)
RULES = {rule.id: rule for rule in (REFUSED, LEFT_OUT, CHANGED)}


@dataclass
class Said:
    """Collects what is to be said about one file."""

    file: str
    findings: list[Finding] = field(default_factory=list)
    _seen: set[Finding] = field(default_factory=set)

    def refuse(self, line: int, message: str, hint: str = "") -> None:
        """This cannot be imported."""
        self._add(REFUSED, line, message, hint)

    def left_out(self, line: int, message: str, hint: str = "") -> None:
        """This is not in the result."""
        self._add(LEFT_OUT, line, message, hint)

    def changed(self, line: int, message: str, hint: str = "") -> None:
        """This is written another way."""
        self._add(CHANGED, line, message, hint)

    def is_refused(self) -> bool:
        """Whether there can be no result."""
        return any(item.rule == REFUSED.id for item in self.findings)

    def _add(self, rule: Rule, line: int, message: str, hint: str) -> None:
        found = Finding(
            rule=rule.id,
            level=rule.level,
            message=message,
            file=self.file,
            line=line,
            hint=hint,
        )
        if found not in self._seen:
            self._seen.add(found)
            self.findings.append(found)
