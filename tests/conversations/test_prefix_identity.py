"""What is sent begins with what was sent before, byte for byte, whatever happened in between.

Told by the bytes that arrived at the server, not by what is stored. Only a checkpoint, another
opening, an exchange that was taken back or a turn without an answer may lie between; and then the
request says which of them cost the prefix.
"""

import json
import string
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.chat_server import Body, ChatServer, Says, chat_server, is_summary
from support.talking import Talk, talk_with
from wai_ops.core.errors import UsageError
from wai_ops.runtime.caller import Caller
from wai_ops.runtime.checkpoint import CheckpointOutcome, make_checkpoint
from wai_ops.runtime.checkpoint_plan import CheckpointPolicy
from wai_ops.runtime.conversation_change import fork_conversation, undo_exchange
from wai_ops.runtime.conversation_find import find_conversation

POLICY = CheckpointPolicy(every_turns=3, keep_turns=1, max_tokens=600)
_MARK = b'"messages":['
TEXTS = st.text(string.printable + 'é☃\\"{}[],', min_size=1, max_size=30)
STEPS = st.one_of(
    st.tuples(st.just("say"), TEXTS),
    st.tuples(st.just("say"), TEXTS),
    st.tuples(st.just("say"), TEXTS),
    st.tuples(st.just("fail"), TEXTS),
    st.tuples(st.just("fail_summary"), TEXTS),
    st.tuples(st.just("checkpoint"), st.just("")),
    st.tuples(st.just("undo"), st.just("")),
    st.tuples(st.just("fork"), st.just("")),
    st.tuples(st.just("reopen"), TEXTS),
)


def messages_of(raw: bytes) -> bytes:
    """The text of the messages in a request, as it came over the wire."""
    return raw[raw.index(_MARK) + len(_MARK) : -2]


@dataclass
class Watched:
    """A conversation whose requests are compared as they arrive."""

    talk: Talk
    server: ChatServer
    fails: bool = False
    fails_summary: bool = False
    opening: str = "Be brief."
    before: bytes | None = None
    """The last request that was answered."""
    sent_opening: str = ""
    reply: str = ""
    excuses: set[str] = field(default_factory=set)
    checkpoint_id: str | None = None
    count: int = 0

    def answer(self, body: Body) -> Says:
        """What the model says."""
        if is_summary(body):
            text = json.dumps({"summary": f"Sum {self.count}.", "facts": [], "replaced": []})
            return Says(status=500) if self.fails_summary else Says(text)
        if self.fails:
            return Says(status=500)
        self.reply = f'answer {self.count} "é" \\ ' + "word " * 150
        return Says(self.reply)

    def step(self, kind: str, text: str) -> None:
        """Do one thing."""
        self.count += 1
        if kind in ("say", "fail", "fail_summary"):
            self.fails, self.fails_summary = kind == "fail", kind == "fail_summary"
            self.say(text)
            self.fails = self.fails_summary = False
        elif kind == "checkpoint":
            caller = Caller(
                service=self.talk.service,
                around=self.talk.around,
                live=self.talk.live,
                sink=self.talk.sink,
            )
            made = make_checkpoint(self.talk.ask("?"), caller, POLICY, is_forced=True)
            assert not isinstance(made, CheckpointOutcome) or made.is_made
        elif kind == "undo":
            try:
                undo_exchange(self.talk.live, self.talk.key)
            except UsageError:
                return
            self.excuses.add("undone")
        elif kind == "fork" and any(turn.state == "done" for turn in self.talk.turns):
            session = find_conversation(self.talk.live, self.talk.key)
            new = f"f{self.count}"
            try:
                fork_conversation(
                    self.talk.live, session, new, at=None, now=self.talk.around.clock.now()
                )
            except UsageError:  # everything was taken back: there is nothing to fork
                return
            self.talk.conversation_id = new
        elif kind == "reopen":
            self.opening = text

    def say(self, text: str) -> None:
        """One exchange; its request is held against the one before."""
        talk = self.talk
        changes: dict[str, Any] = {
            "text": text,
            "system": None,
            "opening": ({"role": "system", "content": self.opening},),
        }
        is_reopened = self.opening != self.sent_opening
        done = talk.say(**changes)
        raw = [raw for raw in self.server.raw if not is_summary(json.loads(raw))][-1]
        sent = messages_of(raw)
        turn = talk.turns[-1]
        assert talk.sent(turn.turn_index).encode() == sent, "what is stored is what was sent"
        if self.before is not None:
            carried = sent == self.before or sent.startswith(self.before + b",")
            excused = self.excuses | (
                {"checkpoint"} if turn.checkpoint_id != self.checkpoint_id else set()
            )
            excused |= {"opening"} if is_reopened else set()
            assert carried or excused, (self.before[-80:], sent[-80:])
            self._cause(done.finished.prepared.expected.cause, excused, carried=carried)
        if turn.state == "done":
            self.before, self.sent_opening = sent, self.opening
            self.excuses = set()
            self.checkpoint_id = turn.checkpoint_id

    def _cause(self, cause: str | None, excused: set[str], *, carried: bool) -> None:
        if carried:
            assert cause is None, cause
        elif excused == {"checkpoint"}:
            assert cause == "checkpoint"
        elif "checkpoint" in excused and "opening" not in excused:
            assert cause is not None
            assert cause == "checkpoint" or cause.startswith("prefix_changed@")
        else:
            assert cause is not None
            assert cause.startswith("prefix_changed@")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=3, max_size=16))
def test_a_request_begins_with_the_one_before_or_says_what_lies_between(
    steps: list[tuple[str, str]],
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        chat_server(lambda body: Says("x")) as server,
        talk_with(server.base_url, Path(folder), policy=POLICY) as talk,
    ):
        watched = Watched(talk, server)
        server.answer = watched.answer
        for kind, text in steps:
            watched.step(kind, text)
