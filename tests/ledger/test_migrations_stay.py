"""A ledger that an earlier version made is brought to the newest by what that version lacks."""

from hashlib import sha256

from wai_ops.observe.ledger.database import MIGRATIONS, statement

LANDED = {
    "0001_initial": "0a9b26b62dd2709f",
    "0002_gateway": "ef15e1a5b3e1350d",
    "0003_conversations": "b9658941c0144d63",
    "0004_refusals": "efce0096e5d04234",
    "0005_stored_calls": "940020e82bcf0d04",
    "0006_fewer_columns": "3aacf74b6936adc9",
    "0007_told_usage": "85d2f49786dbdc9c",
}
"""The beginning of each one's SHA-256. A ledger that has run one never runs it again."""


def test_a_migration_that_landed_never_changes() -> None:
    """What it should have said goes into a new one, with a line of its own above."""
    found = {
        name: sha256(statement(f"schema/{name}").encode()).hexdigest()[:16] for name in MIGRATIONS
    }
    assert found == LANDED
