"""From a strict document to a dataclass, with every error at its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.decode import load_yaml, validate
from wai_ops.config.problems import lines
from wai_ops.config.yaml_strict import parse
from wai_ops.core.errors import UsageError


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    amount: Decimal
    seconds: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    flag: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    name: str = "x"
    colour: Colour = Colour.RED
    items: list[Inner] = field(default_factory=list)
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    either: Inner | Other | None = None
    path: Path | None = None
    count: int = 0
    hidden: str = field(default="", metadata={"is_setting": False})


def problems_of(text: str) -> list[str]:
    value, problems = validate(parse(text.encode(), "f"), Outer)
    assert (value is None) == bool(problems)
    return lines("f", problems)


def test_a_document_becomes_the_dataclass(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(
        "colour: blue\nitems: [{amount: '1.50', seconds: 2}, {amount: 3}]\n"
        "by_name: {a: {amount: 0.10}}\neither: {flag: true}\npath: a/b\nname: no\n"
    )
    value, document = load_yaml(file, Outer)
    assert value == Outer(
        name="no",
        colour=Colour.BLUE,
        items=[Inner(amount=Decimal("1.50"), seconds=2.0), Inner(amount=Decimal(3))],
        by_name={"a": Inner(amount=Decimal("0.10"))},
        either=Other(flag=True),
        path=Path("a/b"),
    )
    assert document.marks["by_name", "a", "amount"].line == 3


def test_each_problem_has_the_place_and_the_path_of_its_value() -> None:
    text = """\
nam: x
colour: redd
items:
  - amount: abc
  - {amout: 1, seconds: fast}
by_name: {a: {amount: true}}
name: 5
path: 7
count: 1.5
hidden: y
items_: []
"""
    assert problems_of(text) == [
        "f:1:1: unknown key `nam`; did you mean `name`?",
        'f:2:9: colour: must be `red` or `blue`, not "redd"',
        'f:4:13: items.0.amount: must be a number, plain or in quotes, not "abc"',
        "f:5:5: items.1: `amount` is required",
        "f:5:6: unknown key `amout` in `items.1`; did you mean `amount`?",
        'f:5:25: items.1.seconds: must be a number, not "fast"',
        "f:6:23: by_name.a.amount: must be a number, plain or in quotes, not true",
        "f:7:7: name: must be text: put it in quotes",
        "f:8:7: path: must be text: put it in quotes",
        "f:9:8: count: must be a whole number, not 1.5",
        "f:10:1: unknown key `hidden`",
        "f:11:1: unknown key `items_`; did you mean `items`?",
    ]


def test_a_refused_value_is_not_complained_about_twice() -> None:
    assert problems_of("path: &a x\nname: *a\ncount: .inf\n") == [
        "f:1:7: anchors are not supported: remove &a",
        "f:2:7: aliases are not supported: write out *a",
        "f:3:8: .inf is not a finite number; put it in quotes if it is text",
    ]


def test_a_secret_in_the_file_is_not_repeated() -> None:
    (problem,) = problems_of("api_token: s3cr3t-value\n")
    assert "s3cr3t" not in problem
    assert "credentials do not belong in this file" in problem


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,11})\.[0-9]{1,40}", fullmatch=True))
def test_money_has_exactly_the_digits_of_the_file(text: str) -> None:
    for written in (text, f'"{text}"'):
        document = parse(f"items: [{{amount: {written}}}]\n".encode(), "f")
        value, problems = validate(document, Outer)
        assert problems == []
        assert value is not None
        assert value.items[0].amount == Decimal(text)


def test_one_error_carries_all_lines_and_is_cut_after_fifty(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("".join(f"unknown{i}: 1\n" for i in range(60)))
    with pytest.raises(UsageError) as caught:
        load_yaml(file, Outer, label="f.yaml")
    found = caught.value.message.splitlines()
    assert len(found) == 51
    assert found[0] == "f.yaml:1:1: unknown key `unknown0`"
    assert found[-1] == "... and 10 more"


@pytest.mark.parametrize("make", ["mkdir", "mkfifo", None])
def test_what_is_no_file_is_a_usage_error(tmp_path: Path, make: str | None) -> None:
    import os

    target = tmp_path / "f.yaml"
    if make is not None:
        getattr(os, make)(target)
    with pytest.raises(UsageError):
        load_yaml(target, Outer)
