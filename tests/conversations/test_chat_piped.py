"""`wai chat` without a terminal: one exchange a line, answers on stdout and nothing else."""

import json
import signal
from pathlib import Path

import pytest

from support.chat_server import Body, Says, chat_server, is_summary
from support.cli import Wai

SUMMARY = json.dumps({"summary": "They talked.", "facts": ["17"], "replaced": []})


def answer(body: Body) -> Says:
    if is_summary(body):
        return Says(SUMMARY)
    said = body["messages"][-1]["content"]
    return Says(f"{len(body['messages'])}: {said[:20]}" + " word" * 100)


def test_each_line_is_an_exchange_of_one_conversation(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "-c", "c1", "-q", stdin="one\n\ntwo\\\nmore\n//three\n")
    assert done.exit_code == 0, done.stderr
    assert [line[:20].strip() for line in done.stdout.splitlines()] == [
        "1: one word word wor",
        "3: two",
        "more word word word",
        "5: /three word word",
    ]
    assert done.stderr == ""
    assert [len(body["messages"]) for body in server.bodies] == [1, 3, 5]


def test_a_dash_is_a_message_like_any_other(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        assert wai("chat", "-c", "c1", stdin="-\nmore\n").exit_code == 0
    said = [message["content"] for message in server.bodies[-1]["messages"][::2]]
    assert said == ["-", "more"]


def test_it_goes_on_where_an_earlier_one_left_off(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        assert wai("chat", "-c", "c1", "-s", "Be brief.", stdin="one\n").exit_code == 0
        done = wai("chat", "-c", "c1", stdin="two\n")
    assert done.exit_code == 0
    sent = server.bodies[-1]["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert "1 exchange, " in done.stderr
    assert "go on with: wai chat -c c1" in done.stderr


def test_json_is_one_result_a_line(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "--json", "-c", "c1", stdin="one\n/cost\ntwo\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["turn_index"] for row in rows] == [0, 1]
    assert rows[0]["text"].startswith("1: one")
    assert "turns cost" in done.stderr


def test_the_first_failure_ends_a_script_with_its_exit_code(wai: Wai) -> None:
    def refuse_the_second(body: Body) -> Says:
        return Says(status=500) if len(body["messages"]) > 1 else answer(body)

    with chat_server(refuse_the_second) as server:
        wai.environ.update({**server.environ, "WAI_RETRY_MAX_ATTEMPTS": "1"})
        done = wai("chat", "-c", "c1", stdin="one\ntwo\nthree\n")
    assert done.exit_code == 3
    assert len(server.bodies) == 2
    assert "server_error" in done.stderr


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("/cst", "did you mean /cost?"),
        ("/cost now", "/cost takes nothing behind it"),
        ("/retry", "there is nothing to ask again"),
        ("/undo", "there is nothing to take back"),
        ("/checkpoint often", "neither a number of turns nor off"),
        ("/model ..", "is not a model id"),
    ],
)
def test_a_command_that_makes_no_sense_is_an_error_of_usage(
    wai: Wai, line: str, words: str
) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "-c", "c1", stdin=f"{line}\nnever said\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert server.bodies == []


def test_checkpoints_are_made_on_the_way_and_their_cost_is_told(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        lines = "".join(f"question {number} {'word ' * 60}\n" for number in range(8))
        done = wai("chat", "-c", "c1", "--checkpoint-every", "3", stdin=f"{lines}/cost\n")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("a summary with 1 fact stands for") == 2
    assert "checkpoints   2 made; $" in done.stderr
    assert "fewer tokens in (estimated)" in done.stderr
    assert "checkpoint" in done.stderr
    assert max(len(body["messages"]) for body in server.bodies) <= 2 + 2 * (3 + 2) + 1
    shown = json.loads(wai("conversations", "show", "c1", "--json").stdout)
    assert [item["state"] for item in shown["checkpoints"]] == ["made", "made"]
    assert shown["checkpoints"][1]["facts"] == ["17"]
    rows = json.loads(wai("conversations", "list", "--json").stdout)["rows"]
    assert [row["conversation_id"] for row in rows] == ["c1"], "the summaries' own are not listed"


def test_deleting_a_conversation_takes_its_summaries_and_their_calls(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        lines = "".join(f"zebra {number} {'word ' * 60}\n" for number in range(5))
        assert wai("chat", "-c", "c1", "--checkpoint-every", "3", stdin=lines).exit_code == 0
    assert wai("conversations", "fork", "c1", "c2").exit_code == 0
    assert wai("conversations", "delete", "c1", "--yes").exit_code == 0
    kept = json.loads(wai("conversations", "export", "c2", "-f", "json").stdout)
    assert "zebra 0" in json.dumps(kept["turns"])
    assert kept["conversation"]["checkpoints"][0]["summary"] == "They talked."
    assert wai("conversations", "delete", "c2", "--yes").exit_code == 0
    state = b"".join(path.read_bytes() for path in (wai.folder / ".wai").glob("state.sqlite*"))
    assert b"zebra" not in state
    assert b"They talked" not in state


def test_commands_show_and_change_what_they_say(wai: Wai) -> None:
    lines = [
        *("/system Be kind.", "/cost", "/affinity", "one", "/system Be rude."),
    ]
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        late = wai("chat", "-c", "c0", stdin="\n".join(lines))
        assert late.exit_code == 2
        assert "its system text stays" in late.stderr
        assert server.bodies[-1]["messages"][0] == {"role": "system", "content": "Be kind."}
        told = ["one", "/affinity", "/model @cf/zai-org/glm-4.7-flash", "two", "/tools"]
        told += ["/checkpoint", "/checkpoint off", "/export c1.jsonl", "/export", "/help"]
        done = wai("chat", "-c", "c1", stdin="\n".join(told))
    assert done.exit_code == 0, done.stderr
    assert server.bodies[-1]["model"] == "@cf/zai-org/glm-4.7-flash"
    for words in (
        *("affinity key  default:adhoc:c1", "model: @cf/zai-org/glm-4.7-flash"),
        *("no checkpoint: no turns to sum up yet", "no checkpoints", "written: c1.jsonl"),
        *("no tools: name them with --tool", "/quit", "nothing was said yet"),
    ):
        assert words in done.stderr + late.stderr, words
    assert done.stdout.count("**user**") == 2, "without a file, an export is data"
    rows = [json.loads(row) for row in (wai.folder / "c1.jsonl").read_text().splitlines()]
    assert [row["role"] for row in rows] == ["user", "assistant"] * 2


def test_undo_and_retry_leave_the_exchange_out_of_what_is_sent(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "-c", "c1", stdin="one\ntwo\n/retry\n/undo\nthree\n")
    assert done.exit_code == 0, done.stderr
    said = [[m["content"][:5] for m in body["messages"][::2]] for body in server.bodies]
    assert said == [["one"], ["one", "two"], ["one", "two"], ["one", "three"]]
    assert "asking again: two" in done.stderr
    assert "taken back: two" in done.stderr


def test_answers_and_errors_cannot_steer_the_terminal(wai: Wai) -> None:
    with chat_server(lambda body: Says("a\x1b[31mb\x07")) as server:
        wai.environ.update(server.environ)
        done = wai("chat", "-c", "c1", stdin="x\x1b[2J\n/undo\n/\x1b[2Jnope\n")
    assert done.exit_code == 2
    assert "\x1b" not in done.stdout + done.stderr
    assert "␛[31mb" in done.stdout


def test_a_credential_is_not_kept_in_what_was_typed(wai: Wai, tmp_path: Path) -> None:
    from wai_ops.cli.chat_history import keep_lines, load_history
    from wai_ops.runtime.keeping import Keeper

    path = tmp_path / "chat-history"
    keeper = Keeper(secrets={"key": "sk-live-0123456789abcdef"})
    keep_lines(path, ["plain", "my key is sk-live-0123456789abcdef", "  "], keeper.text)
    kept = load_history(path)
    assert kept[0] == "plain"
    assert len(kept) == 2
    assert "0123456789abcdef" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert wai is not None


def test_a_kill_in_an_answer_leaves_a_conversation_that_goes_on(wai: Wai) -> None:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        assert wai("chat", "-c", "c1", stdin="one\n").exit_code == 0
        process = wai.start("chat", "-c", "c1", stdin=-1)
        server.answer = lambda body: Says("x", before=lambda: process.send_signal(signal.SIGKILL))
        assert process.stdin is not None
        process.stdin.write(b"two\n")
        process.stdin.flush()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        server.answer = answer
        done = wai("chat", "-c", "c1", stdin="/retry\n")
    assert done.exit_code == 0, done.stderr
    assert "asking again: two" in done.stderr
    assert [m["content"][:4].strip() for m in server.bodies[-1]["messages"]] == [
        "one",
        "1: o",
        "two",
    ]
