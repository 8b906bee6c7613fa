"""What `wai prompts verify` looks for; the ids never change."""

from wai_ops.core.findings import Level, Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            id="WV001",
            name="lock-unreadable",
            level=Level.ERROR,
            why="Nothing can be proved, and no frozen prompt can be used.",
            fix="Resolve the conflict or the mistake in prompts.lock.",
        ),
        Rule(
            id="WV002",
            name="version-missing",
            level=Level.ERROR,
            why="The lock names a version whose file is not there: whoever asks for it gets none.",
            fix="Commit prompts/.versions, or get the file back from version control.",
        ),
        Rule(
            id="WV003",
            name="version-changed",
            level=Level.ERROR,
            why="A frozen version is not what was frozen: it was written to afterwards.",
            fix="Get the file back from version control; freeze changes as a new version.",
        ),
        Rule(
            id="WV004",
            name="unknown-file",
            level=Level.ERROR,
            why="A file among the frozen versions belongs to no version of the lock.",
            fix="Delete it, or get back the lock that names it.",
        ),
        Rule(
            id="WV005",
            name="unfrozen",
            level=Level.ERROR,
            why="The working tree is not what any version says: nobody could tell later what ran.",
            fix="wai prompts freeze NAME -m WHY",
        ),
        Rule(
            id="WV006",
            name="broken-prompt",
            level=Level.ERROR,
            why="The prompt cannot be loaded.",
            fix="Correct the file.",
        ),
        Rule(
            id="WV007",
            name="dangling-label",
            level=Level.ERROR,
            why="A label or canary points at a version that is not frozen.",
            fix="wai prompts promote NAME VERSION LABEL",
        ),
        Rule(
            id="WV008",
            name="version-gap",
            level=Level.ERROR,
            why="Versions count from 1 without gaps and each has its own content: a line of the "
            "lock was taken away or copied.",
            fix="Get prompts.lock back from version control.",
        ),
        Rule(
            id="WV009",
            name="approval-missing",
            level=Level.ERROR,
            why="A protected label points at a version that none of its owners approved.",
            fix="Have an owner approve it: wai prompts promote NAME VERSION LABEL --approved-by "
            "WHO",
        ),
        Rule(
            id="WV010",
            name="label-by-hand",
            level=Level.WARNING,
            why="A label does not point where its last recorded release put it, so reports cannot "
            "tell when it was moved.",
            fix="Move labels with wai prompts promote and rollback.",
        ),
    )
}
