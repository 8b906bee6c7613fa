"""Names by which DuckDB reads a batch of files: large ones that are gzipped are unpacked for it.

DuckDB's own inflating costs more than half of what its parsing costs, and does not look at the
checksums.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from wai_ops.core.text import one_line
from wai_ops.observe.ledger.database import DamagedError, run
from wai_ops.observe.ledger.lines import is_gzip

WORTH_BYTES = 8 * 1024 * 1024
"""Packed; to load what unpacks faster takes as long as DuckDB takes for so much."""


@contextmanager
def readable(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path]
) -> Iterator[Sequence[str]]:
    """Names for DuckDB to read the files by, within the block; it may be left to one thread.

    Raises DamagedError when the block is left and a file could not be read to its end, whatever
    DuckDB made of its beginning.
    """
    packed = [file for file in files if is_gzip(file)]
    if sum(file.stat().st_size for file in packed) < WORTH_BYTES:
        yield [str(file) for file in files]
        return

    from wai_ops.observe.ledger.gzip_files import PROTOCOL, GzipFiles

    unpacked = GzipFiles(packed)
    names = dict(zip(packed, unpacked.names, strict=True))
    run(connection, "gateway/one_thread")  # which reads a file from front to end
    connection.register_filesystem(unpacked)
    try:
        yield [names.get(file, str(file)) for file in files]
    finally:
        connection.unregister_filesystem(PROTOCOL)
        for path, error in unpacked.damage.items():
            reason = one_line(str(error) or type(error).__name__)
            raise DamagedError(f"cannot read {path}: {reason}") from error
