"""What makes loading log rows fast changes nothing of what is loaded."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from support.facts import in_ledger
from support.gateway_rows import ingest_some, log_row, metadata
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.rules import LONG_RUN

KEY = b"k" * 32
KNOWN = "0123456789abcdef"
SHAPED = "cfut_" + "Ab1x" * 4


def in_every_text(text: str) -> list[dict[str, Any]]:
    named = ("path", "user_agent", "event_id", "id", "model", "provider", "request_type")
    more = ("model_type", "byok", "dlp_action", "finish_reason", "gateway")
    keys = ("tenant", "workflow", "conversation", "prompt", "trace")
    return [{name: text} for name in (*named, *more)] + [
        {"metadata": metadata(1, **{key: text})} for key in keys
    ]


def encoded() -> str:
    """The shortest run that is decoded, with a token in it."""
    run = base64.b64encode(f"{SHAPED}......".encode()).decode() + "A"
    assert len(run) == LONG_RUN
    return run


def stored(state_dir: Path) -> str:
    return json.dumps(in_ledger(state_dir, "from model_call"), default=str)


@pytest.mark.parametrize("changes", in_every_text(encoded()))
def test_a_run_just_long_enough_to_hide_a_token_is_seen_in_any_text(
    changes: dict[str, Any], state_dir: Path
) -> None:
    redactor = Redactor.build({}, key=KEY)
    assert redactor.text(encoded()) != encoded()
    ingest_some(state_dir, log_row(1, **changes), log_row(2), redactor=redactor)
    assert encoded() not in stored(state_dir)


@pytest.mark.parametrize("text", [KNOWN, KNOWN.encode().hex(), f"{KNOWN}-0000-0000-000"])
def test_a_known_secret_of_hex_digits_is_seen_in_what_looks_like_an_id(
    text: str, state_dir: Path
) -> None:
    redactor = Redactor.build({"token": KNOWN}, key=KEY)
    for number, changes in enumerate(in_every_text(text)):
        ingest_some(state_dir, log_row(100 + number, **changes), redactor=redactor)
    assert text not in stored(state_dir)
    assert KNOWN not in stored(state_dir)


@pytest.mark.parametrize("shape", ["object", "text"])
def test_a_row_longer_than_a_piece_of_the_file_is_loaded_with_the_others(
    shape: str, state_dir: Path
) -> None:
    """Such a row is more than the first reading takes: all of the file is read in the other way."""
    said = metadata(2)
    rows = [
        log_row(1),
        log_row(
            2,
            response="x" * (5 << 20),
            metadata=said if shape == "object" else json.dumps(said),
        ),
        log_row(3),
    ]
    result = ingest_some(state_dir, *rows)
    assert (result.inserted_count, result.quarantined_count) == (3, 0)
    columns = "tenant, workflow, conversation_id, input_tokens, cost_state, cost_usd is not null"
    found = in_ledger(state_dir, f"select {columns} from model_call order by log_id")
    assert len(found) == 3
    assert found[1][:3] == (said["tenant"], said["workflow"], found[0][2])
    assert {row[3:] for row in found} == {found[0][3:]}
