"""How many conversations there were and how they ended, counted without reading every call.

A conversation has calls on several days, so counts of single days cannot be added up: it would be
counted on each. But the rows of one conversation can say on which day it was last seen before. Then
the conversations of any range of days are those rows in the range whose day before lies outside
it: each counts once, on its first day in the range. Counted by name, day, day before and outcome
(`rollup_conversation`), that is a table of a few rows a day however many calls there are.

To keep that count right, `conversation_day` has one row a conversation and day, by a digest. Its
rows change for the days that `refresh_rollups` made anew, and for conversations of which an outcome
was recorded or removed (`outcome_dirty`). The counts of days that changed are then made anew.

Nobody asks for all this before there is an outcome. Until then nothing is kept, and ingest is free
of it.
"""

import duckdb

from wai_ops.observe.ledger.database import run, transaction

_DAYS_AT_A_TIME = 31


def note_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Calls of the days in `rolled` have changed. Call in the transaction that rolls them up."""
    run(connection, "conversations/note")


def refresh_conversations(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the counts up to date, in transactions of its own. Call after `refresh_rollups`."""
    [(is_kept, has_outcome)] = run(connection, "conversations/is_kept")
    if not is_kept:
        if not has_outcome:
            return
        _start(connection)
    if run(connection, "conversations/has_news") == [(True,)]:
        with transaction(connection):
            _follow_outcomes(connection)
    days = [row[0] for row in run(connection, "conversations/stale")]
    for start in range(0, len(days), _DAYS_AT_A_TIME):
        some = days[start : start + _DAYS_AT_A_TIME]
        with transaction(connection):
            _follow_calls(connection, some)


def _start(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        run(connection, "conversations/outcome_clean")
        run(connection, "conversations/start_days")
        run(connection, "conversations/start_outcomes")
        run(connection, "store/meta_set", key="conversations_kept", value="yes")


def _follow_calls(connection: duckdb.DuckDBPyConnection, days: list[object]) -> None:
    span = {"since": days[0], "last": days[-1]}
    run(connection, "conversations/days", days=days)
    for name in ("seen", "came", "went"):
        run(connection, f"conversations/{name}", **span)
    [(came, went)] = run(connection, "conversations/news_count")
    if came or went:
        if went:
            run(connection, "conversations/went_delete")
        run(connection, "conversations/chained")
        run(connection, "conversations/changed_days")
        run(connection, "conversations/day_update")
        run(connection, "conversations/day_insert")
        _recount(connection)
    run(connection, "conversations/clean")


def _follow_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    for name in ("ended", "outcome_delete", "outcome_insert", "ended_days"):
        run(connection, f"conversations/{name}")
    _recount(connection)
    run(connection, "conversations/outcome_clean")


def _recount(connection: duckdb.DuckDBPyConnection) -> None:
    run(connection, "conversations/count_delete")
    run(connection, "conversations/count_insert")
