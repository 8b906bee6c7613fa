"""Datasets: what is read, and how every mistake is told with its line."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.core.errors import UsageError
from wai_ops.prompts.dataset import MAX_LINE, Kind, read_dataset


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "cases.jsonl"
    path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    return path


def test_a_case_is_read_with_its_line_and_assertions(tmp_path: Path) -> None:
    schema = {"type": "object"}
    case = {
        "id": "late",
        "vars": {"ticket": "It is late", "count": 3},
        "text": "Why?",
        "assert": [
            {"contains": "x"},
            {"regex": "^a+$"},
            {"json_schema": schema},
            {"max_cost_usd": 0.001},
            {"max_latency_ms": 1500},
            {"judge": "grader@2", "vars": {"strict": True}},
        ],
    }
    (found,) = read_dataset(write(tmp_path, "", case, "  ")).cases
    assert (found.id, found.line, found.text) == ("late", 2, "Why?")
    assert found.variables == {"ticket": "It is late", "count": 3}
    assert [(item.kind, item.value) for item in found.assertions] == [
        (Kind.CONTAINS, "x"),
        (Kind.REGEX, "^a+$"),
        (Kind.JSON_SCHEMA, schema),
        (Kind.MAX_COST_USD, Decimal("0.001")),
        (Kind.MAX_LATENCY_MS, 1500.0),
        (Kind.JUDGE, "grader@2"),
    ]
    assert found.assertions[-1].variables == {"strict": True}


GOOD = {"vars": {"a": 1}}


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ("{nope", ":2:2", "not JSON"),
        ("[]", ":2", "a case is a JSON object"),
        ('{"vars": {"a": 1, "a": 2}}', ":2", "'a' is there twice"),
        ('{"vars": {"a": NaN}}', ":2", "NaN is no JSON"),
        ('{"vars": {"a": 1e999}}', ":2", "out of range"),
        ('{"vars": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}", ":2", "nested too deeply"),
        ('{"vars": {"a": "\\ud800"}}', ":2", "surrogate"),
        ('{"variables": {}}', ":2", "did you mean `vars`?"),
        ('{"id": "a b"}', ":2", "id must be a name"),
        ('{"id": 7}', ":2", "id must be a name"),
        ('{"text": "  "}', ":2", "text must be text"),
        ('{"vars": []}', ":2", "vars must be an object"),
        ('{"assert": {}}', ":2", "assert must be a list"),
        ('{"assert": ["x"]}', ":2", "an assertion is an object"),
        ('{"assert": [{}]}', ":2", "exactly one of"),
        ('{"assert": [{"contains": "a", "regex": "b"}]}', ":2", "exactly one of"),
        ('{"assert": [{"contains": "a", "vars": {}}]}', ":2", "vars go with judge alone"),
        ('{"assert": [{"contian": "a"}]}', ":2", "did you mean `contains`?"),
        ('{"assert": [{"contains": ""}]}', ":2", "contains must be text"),
        ('{"assert": [{"regex": "(a"}]}', ":2", "not a regular expression"),
        ('{"assert": [{"regex": "(?=a)"}]}', ":2", "not a regular expression"),
        ('{"assert": [{"json_schema": "x"}]}', ":2", "must be an object"),
        ('{"assert": [{"max_cost_usd": -1}]}', ":2", "must be dollars"),
        ('{"assert": [{"max_cost_usd": true}]}', ":2", "must be dollars"),
        ('{"assert": [{"max_latency_ms": 0}]}', ":2", "above 0"),
        ('{"id": "first"}', ":2", "on line 1 already"),
        ("x" * (MAX_LINE + 1), ":2", "longer than"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_every_mistake_is_told_with_its_line(
    tmp_path: Path, line: str, place: str, message: str
) -> None:
    path = write(tmp_path, '{"id": "first"}', line)
    with pytest.raises(UsageError) as caught:
        read_dataset(path)
    assert caught.value.where == f"{path}{place}"
    assert message in f"{caught.value.message} {caught.value.hint}"


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_bytes(b'{"id": "a"}\n\xff\n')
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        read_dataset(path)
    assert caught.value.where == f"{path}:2"


def test_a_pipe_a_folder_and_an_empty_file_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="not a regular file"):
        read_dataset(pipe)
    with pytest.raises(UsageError, match="not a regular file"):
        read_dataset(tmp_path)
    with pytest.raises(UsageError, match="no cases"):
        read_dataset(write(tmp_path))


def test_a_case_without_an_id_keeps_its_own_wherever_it_stands(tmp_path: Path) -> None:
    one = read_dataset(write(tmp_path, GOOD)).cases[0]
    moved = read_dataset(write(tmp_path, {"vars": {"b": 2}}, GOOD)).cases[1]
    assert one.id == moved.id
    with pytest.raises(UsageError, match="on line 1 already"):
        read_dataset(write(tmp_path, GOOD, GOOD))


@given(st.binary(max_size=300))
def test_no_bytes_bring_it_down(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("hostile") / "cases.jsonl"
    path.write_bytes(content)
    places = []
    try:
        read_dataset(path)
    except UsageError as error:
        places.append(error.where or "")
    assert all(place.startswith(str(path)) for place in places)
