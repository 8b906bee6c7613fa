"""A row that was masked before it waited loads as if it had come as it was."""

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from redact.planted import IDENTIFIERS, PREFIXED, SENTENCES
from support.facts import in_ledger
from support.gateway_rows import ingest_some, log_row
from wai_ops.core.metadata import KEYS
from wai_ops.observe.ledger.lines import TEXTS
from wai_ops.observe.ledger.masking import RowMasker
from wai_ops.observe.redact.engine import Redactor
from wai_ops.observe.redact.forms import forms_of

KNOWN = "0ther-opaque+value/88-in-the-environment"
NUMBER = "90317746501823"
PLANTED = [KNOWN, NUMBER, *(secrets[0] for secrets in PREFIXED.values())]
NEEDLES = {form for secret in PLANTED for form in forms_of(secret.encode())}

secrets = st.sampled_from(PLANTED)
words = st.sampled_from(
    [*IDENTIFIERS, *SENTENCES, "", "plain", "päö 日本", 'q"uo\\te', "a\x1fb", "%41"]
)
texts = st.lists(st.one_of(words, words, secrets), min_size=1, max_size=3).map(" ".join)
numbers = st.sampled_from(["0", "0.000001000000", "1.5e-07", "0.10", '"0.25"', "12", "null"])


def spelled(text: str, share: int) -> str:
    """A JSON string of which every `share`-th character is an escape; 0: none that need not be."""
    if not share:
        return json.dumps(text, ensure_ascii=False)
    return '"' + "".join(
        f"\\u{ord(one):04x}" if at % share == 0 or one in '"\\' or ord(one) < 32 else one
        for at, one in enumerate(text)
    ) + '"'  # fmt: skip


@st.composite
def values(draw: st.DrawFn) -> str:
    """What may stand where a text should."""
    text = draw(texts)
    return draw(
        st.sampled_from(
            [
                spelled(text, draw(st.sampled_from([0, 0, 1, 3]))),
                "null",
                NUMBER,
                "7",
                f'{{"a": {spelled(text.replace(chr(31), " "), 1)}}}',  # DuckDB spells it 001F
            ]
        )
    )


@st.composite
def labels(draw: st.DrawFn) -> str:
    """Metadata as an object, as its text, or something else."""
    members = {key: draw(values()) for key in draw(st.sets(st.sampled_from(KEYS)))}
    members |= {draw(texts): draw(values()) for _ in range(draw(st.integers(0, 2)))}
    inside = ", ".join(f"{spelled(key, 1)}: {value}" for key, value in members.items())
    shape = draw(st.sampled_from(["object", "object", "text", "nothing"]))
    if shape == "nothing":
        return draw(st.sampled_from(["null", '"{broken"', '"no object"']))
    return f"{{{inside}}}" if shape == "object" else spelled(f"{{{inside}}}", 0)


@st.composite
def lines(draw: st.DrawFn, number: int = 0) -> str:
    """One log row, as somebody might spell it."""
    members = {name: json.dumps(value) for name, value in log_row(number).items()}
    members |= {name: draw(values()) for name in draw(st.sets(st.sampled_from(TEXTS), max_size=6))}
    members["id"] = spelled(f"log-{number} {draw(texts)}", draw(st.sampled_from([0, 1])))
    members["metadata"] = draw(labels())
    members["cost"] = draw(numbers)
    members["usage_metadata"] = (
        f'{{"input_tokens": 5, "x": {draw(values())}, "output_tokens": "7"}}'
    )
    members["request"] = spelled(draw(texts), 0)
    members[draw(texts)] = draw(values())
    return "{" + ", ".join(f"{spelled(name, 0)}: {value}" for name, value in members.items()) + "}"


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_masked_rows_hold_no_secret_and_load_as_the_same(data: st.DataObject) -> None:
    rows = [data.draw(lines(number)) for number in range(12)]
    redactor = Redactor.build({"KNOWN": KNOWN, "NUMBER": NUMBER}, key=b"k" * 32)
    masker = RowMasker(redactor)
    masked = [masker.line(row.encode()) for row in rows]
    for line in masked:
        inside = json.dumps(json.loads(line), ensure_ascii=False).encode()
        assert [needle for needle in NEEDLES if needle in line or needle in inside] == []
    counts = Counter(redactor.counts)
    found: list[list[Any]] = []
    for batch in (rows, [line.decode() for line in masked]):
        with tempfile.TemporaryDirectory() as folder:
            result = ingest_some(Path(folder), *batch, redactor=redactor)
            assert (result.row_count, result.quarantined_count) == (len(rows), 0)
            found.append(in_ledger(Path(folder), "select * from model_call order by created_at"))
            if batch is rows:
                assert Counter(result.removed) == counts
            else:
                assert result.removed == {}
    for row, line, given_row, masked_row in zip(rows, masked, *found, strict=True):
        assert masked_row == given_row, (row, line)


def test_an_id_as_long_as_the_gateways_own_that_holds_a_secret_is_masked(tmp_path: Path) -> None:
    for number, secret in enumerate(PREFIXED["aws-key"]):
        row_id = f"{number:05} {secret}"
        assert len(row_id) == 26
        result = ingest_some(tmp_path, log_row(1, id=row_id))
        assert result.removed == {"aws-key": 1}
