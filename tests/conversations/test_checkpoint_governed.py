"""Checkpoints in a governed project: the call that makes one is decided upon like any other."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.chat_server import Body, Says, chat_server, is_summary
from support.cli import Wai

OWN = "@cf/google/gemma-4-26b-a4b-it"
OTHER = "@cf/zai-org/glm-4.7-flash"
POLICY = f"""\
version: 1
policy: support
policy_version: "2026-11-23.1"
mode: enforce
workflows:
  support:
    default_risk: low
    risk: [low]
    roles: [runtime]
    data: [public, internal]
    models: {{low: ["{OWN}"]}}
"""
LINES = "".join(f"question {number} {'word ' * 80}\n" for number in range(5))


def answer(body: Body) -> Says:
    if is_summary(body):
        return Says(json.dumps({"summary": "They talked.", "facts": ["17"], "replaced": []}))
    return Says("word " * 100)


@pytest.fixture
def governed(wai: Wai) -> Wai:
    (wai.folder / "policies").mkdir()
    (wai.folder / "policies" / "support.yaml").write_text(POLICY)
    return wai


def decisions(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / ".wai/decisions/decisions.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["type"] == "decision"]


def test_the_conversations_own_model_sums_up_and_the_decision_is_recorded(governed: Wai) -> None:
    with chat_server(answer) as server:
        governed.environ.update(server.environ)
        words = ("chat", "-c", "c1", "-w", "support", "--checkpoint-every", "4")
        done = governed(*words, stdin=LINES)
        assert done.exit_code == 0, done.stderr
        asked = [body for body in server.bodies if is_summary(body)]
    assert [body["model"] for body in asked] == [OWN]
    shown = json.loads(governed("conversations", "show", "c1", "--json").stdout)
    (made,) = shown["checkpoints"]
    assert (made["state"], made["model"]) == ("made", OWN)
    found = decisions(governed.folder)
    summing = [row for row in found if row["conversation_id"].startswith("c1/checkpoint/")]
    assert [row["verdict"] for row in summing] == ["allow"]
    assert shown["decision_ids"] == [row["decision_id"] for row in found]
    assert len(found) == 6
    told = json.loads(governed("audit", "reconstruct", "c1", "--json").stdout)
    assert [row["decision_id"] for row in told["rows"]] == shown["decision_ids"]
    assert all(row["outcome"] == "ok" and row["cost_usd"] for row in told["rows"])
    assert [row["what"] for row in told["rows"]].count(f"{OWN} (summary)") == 1
    alone = summing[0]["conversation_id"]
    one = json.loads(governed("audit", "reconstruct", alone, "--json").stdout)
    assert [row["decision_id"] for row in one["rows"]] == [summing[0]["decision_id"]]


def test_a_model_that_no_policy_allows_skips_the_checkpoint_and_not_the_answer(
    governed: Wai,
) -> None:
    with chat_server(answer) as server:
        governed.environ.update({**server.environ, "WAI_CHECKPOINTS_MODEL": OTHER})
        words = ("chat", "-c", "c1", "-w", "support", "--checkpoint-every", "4")
        done = governed(*words, stdin=LINES)
        assert done.exit_code == 0, done.stderr
        assert not any(is_summary(body) for body in server.bodies), "nothing was sent"
    assert "no checkpoint: refused:" in done.stderr
    shown = json.loads(governed("conversations", "show", "c1", "--json").stdout)
    (skipped,) = shown["checkpoints"]
    assert skipped["state"] == "skipped"
    assert skipped["reason"].startswith("refused: ")
    assert [turn["state"] for turn in shown["turns"]] == ["done"] * 5
    refused = [row for row in decisions(governed.folder) if row["verdict"] == "deny"]
    assert [row["model"] for row in refused] == [OTHER]


def test_a_workflow_without_a_policy_is_refused_before_anything_is_sent(governed: Wai) -> None:
    with chat_server(answer) as server:
        governed.environ.update(server.environ)
        done = governed("chat", "-c", "c1", "-w", "other", stdin="hello\n")
        assert server.bodies == []
    assert done.exit_code == 5
    assert "no policy names workflow other" in done.stderr
