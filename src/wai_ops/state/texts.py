"""Every text that a SQLite file holds, for those who look for what should not be there."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from wai_ops.state.database import translated


def sqlite_texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield `table.column` and value for every text or blob; the write-ahead log counts.

    Raises DataError for what is no SQLite database.
    """
    with (
        translated(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection,
    ):
        connection.text_factory = bytes
        tables = connection.execute(
            "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'"
        ).fetchall()
        for (raw,) in tables:
            table = raw.decode("utf-8", "replace")
            quoted = '"' + table.replace('"', '""') + '"'
            cursor = connection.execute(f"select * from {quoted}")  # noqa: S608 - a name of the schema, quoted
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes) and value:
                        yield f"{table}.{column}", value
