"""Where everything of the ledger lies inside the state folder."""

from pathlib import Path


def ledger_path(state_dir: Path) -> Path:
    """The database. Derived: the archive and the outbox can rebuild it."""
    return state_dir / "ledger.duckdb"


def wal_path(ledger: Path) -> Path:
    """The database's own write-ahead log, there while it is open or after a kill."""
    return ledger.with_name(ledger.name + ".wal")


def archive_dir(state_dir: Path) -> Path:
    """The facts themselves, as Parquet. Never derived, never deleted."""
    return state_dir / "archive"


def scratch_dir(state_dir: Path) -> Path:
    """Spools, half-made files and what DuckDB spills; emptied whenever the ledger is taken."""
    return state_dir / "ledger.tmp"


def raw_dir(state_dir: Path) -> Path:
    """Log rows that were pulled, as Parquet: what a gateway need not be asked for again."""
    return state_dir / "raw"
