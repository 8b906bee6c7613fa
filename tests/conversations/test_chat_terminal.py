"""`wai chat` as a person meets it: on a terminal, with editing, Ctrl-C and Ctrl-D."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from support.chat_server import Body, ChatServer, Says, chat_server
from support.cli import Wai
from support.terminal import Terminal, on_terminal


def answer(body: Body) -> Says:
    return Says(f"heard {body['messages'][-1]['content'][:20]}")


@contextmanager
def chatting(
    wai: Wai, server: ChatServer, *words: str, columns: int = 80, **changes: str
) -> Iterator[Terminal]:
    env = {
        **wai.environment(),
        **server.environ,
        "TERM": "xterm",
        "COLUMNS": str(columns),
        **changes,
    }
    command = [sys.executable, "-m", "wai_ops", "chat", "-c", "c1", *words]
    with on_terminal(command, cwd=wai.folder, env=env, columns=columns) as terminal:
        terminal.read_until("you> ")
        yield terminal


def test_a_talk_with_a_prompt_a_summary_and_a_last_line(wai: Wai) -> None:
    with chat_server(answer) as server, chatting(wai, server) as terminal:
        assert "default/adhoc c1" in terminal.shown
        terminal.type("hello\n")
        terminal.read_until("heard hello\n")
        assert "cached), " in terminal.read_until("you> ")
        terminal.type('"""\n')
        terminal.read_until("... ")
        terminal.type('two\nlines\n"""\n')
        terminal.read_until("heard two")
        terminal.read_until("you> ")
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert "2 exchanges, " in terminal.shown
        assert server.bodies[-1]["messages"][-1]["content"] == "two\nlines"


def test_a_later_one_says_where_it_left_off(wai: Wai) -> None:
    with chat_server(answer) as server:
        with chatting(wai, server) as terminal:
            terminal.type("hello\n")
            terminal.read_until("you> ")
            terminal.type("/quit\n")
            assert terminal.wait() == 0
        with chatting(wai, server) as terminal:
            assert "goes on after 1 turn" in terminal.shown
            assert "hello" in terminal.shown
            terminal.type("\x1b[A")  # arrow up: what was typed last
            terminal.type("\x1b[A")
            terminal.type("\n")
            terminal.read_until("heard hello")


def test_ctrl_c_stops_an_answer_and_keeps_the_chat(wai: Wai) -> None:
    reached, going_on = threading.Event(), threading.Event()

    def wait_for_it() -> None:
        reached.set()
        going_on.wait(60)

    slow = Says("late", before=wait_for_it)
    with chat_server(lambda body: slow) as server, chatting(wai, server) as terminal:
        terminal.type("slow\n")
        assert reached.wait(60)
        terminal.type("\x03")
        terminal.read_until("(stopped;")
        terminal.read_until("you> ")
        going_on.set()
        server.answer = answer
        terminal.type("/retry\n")
        terminal.read_until("heard slow")
        terminal.read_until("you> ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    shown = json.loads(wai("conversations", "show", "c1", "--json").stdout)
    assert [turn["state"] for turn in shown["turns"]] == ["failed", "done"]
    query = "select error_type from attempt order by started_at"
    rows = wai("ledger", "sql", query, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(row)["error_type"] for row in rows] == ["cancelled", None]


def test_ctrl_c_at_the_prompt_drops_what_was_typed(wai: Wai) -> None:
    with chat_server(answer) as server, chatting(wai, server) as terminal:
        terminal.type('"""\n')
        terminal.read_until("... ")
        terminal.type("half a message\n")
        terminal.read_until("half a message")
        # The prompt for the line after it: only then does the program wait for keys.
        terminal.read_until("... ")
        terminal.type("\x03")
        terminal.read_until("(Ctrl-D or /quit leaves)")
        terminal.read_until("you> ")
        terminal.type("whole\n")
        terminal.read_until("heard whole")
    assert server.bodies[-1]["messages"][-1]["content"] == "whole"


def test_no_ctrl_c_is_lost_however_soon_it_comes(wai: Wai) -> None:
    with chat_server(answer) as server, chatting(wai, server) as terminal:
        terminal.type("hello\n")
        terminal.read_until("heard hello")
        for _ in range(100):
            # As soon as the prompt is drawn, or before: as a key, it waits for its reader.
            terminal.read_until("you> ")
            terminal.type("half\x03")
            terminal.read_until("(Ctrl-D or /quit leaves)")
        terminal.read_until("you> ")
        terminal.type("\x12hel")  # looking backwards for what was typed before
        terminal.read_until("hello")
        terminal.type("\x03")
        terminal.read_until("(Ctrl-D or /quit leaves)")
        terminal.read_until("you> ")
        terminal.type("\x1b[A\n")  # arrow up: what was said last, and not the key
        terminal.read_until("heard hello")
        terminal.read_until("you> ")
        assert terminal.interrupt_key == "\0"
        terminal.type("\x04")
        assert terminal.wait() == 0
        assert terminal.interrupt_key == "\x03"
    assert [body["messages"][-1]["content"] for body in server.bodies] == ["hello", "hello"]


def test_an_error_ends_an_exchange_and_not_the_chat(wai: Wai) -> None:
    with (
        chat_server(lambda body: Says(status=500)) as server,
        chatting(wai, server, WAI_RETRY_MAX_ATTEMPTS="1") as terminal,
    ):
        terminal.type("hello\n")
        terminal.read_until("server_error")
        terminal.read_until("you> ")
        server.answer = answer
        terminal.type("/retry\n")
        terminal.read_until("heard hello")


def test_tab_completes_a_command(wai: Wai) -> None:
    with chat_server(answer) as server, chatting(wai, server) as terminal:
        terminal.type("/aff\t\n")
        terminal.read_until("nothing was said yet")


def test_colours_are_for_terminals_that_want_them(wai: Wai) -> None:
    for no_colour, has_colour in (("", True), ("1", False)):
        wai.environ["NO_COLOR"] = no_colour
        with chat_server(answer) as server, chatting(wai, server) as terminal:
            terminal.type("hello\n")
            terminal.read_until("cached), ")
            assert ("\x1b[2m" in terminal.raw) is has_colour


def test_no_line_of_help_is_wider_than_the_terminal(wai: Wai) -> None:
    with chat_server(answer) as server, chatting(wai, server) as terminal:
        terminal.type("/help\n")
        page = terminal.read_until("is kept.")
        assert all(len(line) <= 80 for line in page.splitlines())


def test_an_answer_is_broken_between_words(wai: Wai) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    with (
        chat_server(lambda body: Says(words)) as server,
        chatting(wai, server, columns=50) as terminal,
    ):
        terminal.type("hello\n")
        terminal.read_until("hello\n")
        shown = terminal.read_until("word59\n")
    assert shown.split() == words.split()
    assert max(len(line) for line in shown.splitlines()) <= 50
