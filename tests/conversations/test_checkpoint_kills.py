"""A kill at any point of making a checkpoint: nothing is lost, and no half summary is ever sent."""

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from conversations.kill_child import POLICY, hold
from support.chat_server import Body, Says, chat_server, is_summary
from support.talking import talk_with

SUMMARY = "They talked about ships. " * 8
LAST_POINT = 200
"""More statements than one exchange with a checkpoint makes."""


def answer(body: Body) -> Says:
    if is_summary(body):
        return Says(json.dumps({"summary": SUMMARY, "facts": ["17"], "replaced": []}))
    return Says("word " * 150)


def killed_at(url: str, state_dir: Path, count: int) -> bool:
    """Run the exchange in a child that dies at this statement; false: it came to the end."""
    child = os.fork()
    if child == 0:
        try:
            hold(url, state_dir, count)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork, with the server's thread beside
def test_a_kill_at_any_statement_loses_no_turn_and_sends_no_half_summary(tmp_path: Path) -> None:
    whole = [" ".join(SUMMARY.split()), "17"]
    with chat_server(answer) as server:
        start = tmp_path / "start"
        with talk_with(server.base_url, start, policy=None) as talk:
            for number in range(4):
                talk.say(f"question {number} " + "tell me more " * 30)
        # What a process that was killed leaves is read by the next one, the log included.
        with closing(sqlite3.connect(start / "state.sqlite")) as connection:
            connection.execute("pragma wal_checkpoint(truncate)")
        seen: set[tuple[str, ...]] = set()
        for count in range(LAST_POINT):
            state_dir = tmp_path / f"state-{count}"
            shutil.copytree(start, state_dir)
            was_killed = killed_at(server.base_url, state_dir, count)
            with talk_with(server.base_url, state_dir, policy=POLICY) as talk:
                left = talk.checkpoints
                seen.add(tuple(item.state for item in left))
                for item in left:
                    assert (item.state == "made") == (item.messages_json is not None)
                assert [turn.state for turn in talk.turns[:4]] == ["done"] * 4
                server.bodies.clear()
                done = talk.say("question 5 " + "tell me more " * 30)
                assert done.finished.reply.failure is None
                sent = [body for body in server.bodies if not is_summary(body)][-1]["messages"]
                said = [message["content"] for message in sent if message["role"] == "user"]
                # Either the summary, whole, or every question that was answered.
                if "left out" in said[0]:
                    assert all(part in " ".join(said[0].split()) for part in whole)
                    assert any(text.startswith("question 3 ") for text in said)
                else:
                    assert said[0].startswith("question 0 ")
                states = [item.state for item in talk.checkpoints]
                assert "making" not in states
                assert states.count("made") == 1, "the next turn made it, if it was not there yet"
            if not was_killed:
                break
        else:
            pytest.fail("the child never came to its end")
    assert count > 25, "every statement of the exchange was a point to die at"
    assert ("making",) in seen
    assert ("made",) in seen
    assert () in seen
