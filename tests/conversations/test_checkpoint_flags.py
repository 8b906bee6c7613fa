"""How checkpoints are asked for: the flag, the settings, and a frozen prompt of the project."""

import json
import threading
from collections.abc import Iterator

import pytest

from support.chat_server import Body, ChatServer, Says, chat_server
from support.cli import Wai

PROMPT = """\
---
model: "@cf/zai-org/glm-4.7-flash"
parameters: {temperature: 0.1}
variables:
  messages: string
  facts: string
  max_words: string
---
{% role system %}
Sum up in {{ max_words }} words.
{% role user %}
Kept: {{ facts }}
Said: {{ messages }}
"""
SUMMARY = json.dumps({"summary": "They talked.", "facts": ["17"], "replaced": []})


def is_summary(body: Body) -> bool:
    first = body["messages"][0]["content"]
    return "memory of a conversation" in first or first.startswith("Sum up in")


def answer(body: Body) -> Says:
    return Says(SUMMARY if is_summary(body) else "word " * 150)


@pytest.fixture
def served(wai: Wai) -> Iterator[ChatServer]:
    with chat_server(answer) as server:
        wai.environ.update(server.environ)
        yield server


def talk(wai: Wai, count: int, *words: str) -> str:
    """Say so many messages with `wai run`; return what the last one said on stderr."""
    for number in range(count):
        done = wai("run", "-c", "c1", "-q", *words, f"question {number} {'word ' * 60}")
        assert done.exit_code == 0, done.stderr
    return done.stderr


def test_wai_run_makes_them_like_chat_and_says_so(wai: Wai, served: ChatServer) -> None:
    said = talk(wai, 4, "--checkpoint-every", "3")
    assert "checkpoint: a summary with 1 fact stands for 1 turn" in said
    done = wai("run", "-c", "c1", "--json", "--checkpoint-every", "3", "more")
    assert json.loads(done.stdout)["exchange"] is None
    assert [is_summary(body) for body in served.bodies].count(True) == 1


def test_a_dry_run_says_that_one_is_due_and_makes_none(wai: Wai, served: ChatServer) -> None:
    talk(wai, 4)
    count = len(served.bodies)
    words = ("run", "-c", "c1", "--dry-run", "more")
    due = wai(*words, "--checkpoint-every", "4")
    assert "a checkpoint is due: a call of its own would sum up 2 turns first" in due.stderr
    assert "checkpoint" not in wai(*words, "--checkpoint-every", "5").stderr
    assert len(served.bodies) == count
    assert json.loads(wai("conversations", "show", "c1", "--json").stdout)["checkpoints"] == []


def test_off_means_that_the_whole_history_is_always_sent(wai: Wai, served: ChatServer) -> None:
    (wai.folder / "wai.yaml").write_text('version: "1"\ncheckpoints: {every_turns: 3}\n')
    talk(wai, 4, "--checkpoint-every", "off")
    assert not any(map(is_summary, served.bodies))
    talk(wai, 1)
    assert any(map(is_summary, served.bodies)), "the setting holds where no flag says otherwise"


@pytest.mark.parametrize("every", ["0", "-1", "1001", "often", "٣"])
def test_what_is_no_number_of_turns_is_an_error_of_usage(wai: Wai, every: str) -> None:
    done = wai("run", "--local", "-c", "c1", f"--checkpoint-every={every}", "hi")
    assert done.exit_code == 2
    assert "neither a number of turns nor off" in done.stderr


def test_settings_that_keep_everything_are_contradictory(wai: Wai) -> None:
    settings = "checkpoints: {every_turns: 3, keep_turns: 3}"
    (wai.folder / "wai.yaml").write_text(f'version: "1"\n{settings}\n')
    done = wai("config", "validate")
    assert done.exit_code == 2
    assert "checkpoints.keep_turns: leaves nothing to sum up" in done.stderr + done.stdout


def test_a_frozen_prompt_of_the_project_takes_the_place_of_the_built_in_one(
    wai: Wai, served: ChatServer
) -> None:
    (wai.folder / "prompts").mkdir()
    (wai.folder / "prompts" / "sum.prompt").write_text(PROMPT)
    (wai.folder / "wai.yaml").write_text('version: "1"\ncheckpoints: {prompt: sum@1}\n')
    refused = wai("run", "-c", "c1", "hi")
    assert refused.exit_code in (2, 5), "nobody froze it yet"
    assert wai("prompts", "freeze", "sum", "-m", "first").exit_code == 0
    talk(wai, 4, "--checkpoint-every", "3")
    (body,) = [body for body in served.bodies if is_summary(body)]
    assert body["messages"][0]["content"] == "Sum up in 400 words."
    assert body["messages"][1]["content"].startswith("Kept: (none)\nSaid: {")
    assert body["model"] == "@cf/zai-org/glm-4.7-flash"
    assert body["temperature"] == 0.1
    shown = json.loads(wai("conversations", "show", "c1", "--json").stdout)
    (made,) = shown["checkpoints"]
    assert (made["state"], made["prompt"]) == ("made", "sum@1")
    lock = (wai.folder / "prompts.lock").read_text()
    assert made["prompt_sha256"] in lock


def test_a_prompt_that_cannot_take_the_messages_is_refused(wai: Wai, served: ChatServer) -> None:
    (wai.folder / "prompts").mkdir()
    (wai.folder / "prompts" / "sum.prompt").write_text("---\nvariables: {x: string}\n---\n{{ x }}")
    assert wai("prompts", "freeze", "sum", "-m", "first").exit_code == 0
    (wai.folder / "wai.yaml").write_text('version: "1"\ncheckpoints: {prompt: sum@1}\n')
    done = wai("run", "-c", "c1", "hi")
    assert done.exit_code == 2
    assert "does not take what a checkpoint is made of" in done.stderr
    assert served.bodies == []


def test_two_processes_make_one_checkpoint_and_neither_waits_for_the_other(
    wai: Wai, served: ChatServer
) -> None:
    talk(wai, 3)
    reached, going_on = threading.Event(), threading.Event()

    def wait_for_it() -> None:
        reached.set()
        assert going_on.wait(60)

    def slowly(body: Body) -> Says:
        if is_summary(body):
            return Says(SUMMARY, before=wait_for_it)
        return answer(body)

    served.answer = slowly
    words = ("run", "-c", "c1", "-q", "--checkpoint-every", "3")
    first = wai.start(*words, "from the first")
    assert reached.wait(60)
    second = wai(*words, "from the second")
    assert second.exit_code == 0, second.stderr
    going_on.set()
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 0, errors
    assert [is_summary(body) for body in served.bodies].count(True) == 1
    shown = json.loads(wai("conversations", "show", "c1", "--json").stdout)
    assert [item["state"] for item in shown["checkpoints"]] == ["made"]
    last = [body for body in served.bodies if not is_summary(body)][-1]["messages"]
    assert "left out" in last[0]["content"]
    asked = [message["content"] for message in last if message["role"] == "user"]
    assert asked[-2:] == ["from the second", "from the first"]
