"""What an imported prompt renders is what Handlebars renders, for templates made at random."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.handlebars import render as render_handlebars
from wai_ops.prompts.dotprompt.convert import convert
from wai_ops.prompts.dotprompt.said import Said
from wai_ops.prompts.rendering import render_messages
from wai_ops.prompts.source import parse_source

FRONT = """---
input:
  schema:
    name: string
    nick?: string
    flag: boolean
    maybe?: boolean
    count: integer
    tags(array): string
    more?(array): string
    rows(array):
      a: string
      b?: string
      marks(array): integer
    box:
      p: string
      q?:
        r: string
    table(object):
      (*): string
---
"""
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=5)
VALUES = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "flag": st.booleans(),
        "count": st.integers(-3, 3),
        "tags": st.lists(TEXTS, max_size=3),
        "rows": st.lists(
            st.fixed_dictionaries(
                {"a": TEXTS, "marks": st.lists(st.integers(0, 3), max_size=2)},
                optional={"b": TEXTS | st.none()},
            ),
            max_size=3,
        ),
        "box": st.fixed_dictionaries(
            {"p": TEXTS}, optional={"q": st.fixed_dictionaries({"r": TEXTS}) | st.none()}
        ),
        "table": st.dictionaries(TEXTS, TEXTS, max_size=3),
    },
    optional={
        "nick": TEXTS | st.none(),
        "maybe": st.booleans() | st.none(),
        "more": st.lists(TEXTS, max_size=2) | st.none(),
    },
)
PLAIN = st.sampled_from(
    ["a", "b c", "\n", "\n\n", " \n  ", " ", "x\n", "\ny", "{ ", "{%", "{# ", " }", "%}", "1. z.\n"]
)
SCALARS = {
    "root": ["name", "nick", "flag", "maybe", "count", "tags", "box.p", "box.q.r", "more"],
    "tag": ["this", "../name", "@index", "@first", "@last"],
    "row": ["a", "b", "this.a", "../nick", "@index", "marks"],
    "mark": ["this", "../a", "../../name"],
    "box": ["p", "this.p", "q.r", "../name"],
    "q": ["r", "../p"],
    "cell": ["this", "@key", "@last", "../count"],
}
BLOCKS = {
    "root": [
        ("each", "tags", "tag"),
        ("each", "more", "tag"),
        ("each", "rows", "row"),
        ("with", "box", "box"),
        ("each", "table", "cell"),
    ],
    "row": [("each", "marks", "mark")],
    "box": [("with", "q", "q")],
}


@st.composite
def tags(draw: st.DrawFn, words: str) -> str:
    """One tag, sometimes with `~` at an end."""
    before, behind = draw(st.sampled_from(["", "", "", "~"])), draw(st.sampled_from(["", "", "~"]))
    return f"{{{{{before}{words}{behind}}}}}"


@st.composite
def bodies(draw: st.DrawFn, context: str = "root", depth: int = 0) -> str:
    """A piece of a template whose names mean something in this context."""
    pieces = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "text", "value", "test", "block", "comment"]))
        if kind == "text":
            pieces.append(draw(PLAIN))
        elif kind == "comment":
            pieces.append(draw(tags("! remark ")))
        elif kind == "value" or depth > 3:
            pieces.append(draw(tags(draw(st.sampled_from(SCALARS[context])))))
        elif kind == "test":
            word = draw(st.sampled_from(["if", "unless"]))
            path = draw(st.sampled_from(SCALARS[context]))
            pieces.append(draw(blocks(word, path, context, context, depth)))
        elif context in BLOCKS:
            word, path, inner = draw(st.sampled_from(BLOCKS[context]))
            pieces.append(draw(blocks(word, path, inner, context, depth)))
    return "".join(pieces)


@st.composite
def blocks(draw: st.DrawFn, word: str, path: str, inner: str, context: str, depth: int) -> str:
    """A block, sometimes on lines of its own, sometimes with an `else`."""
    line = draw(st.sampled_from(["", "", "\n", "\n  "]))
    # A cell without @key would be an element of a list, for all that could be told.
    body = draw(bodies(inner, depth + 1)) + ("{{@key}}" if inner == "cell" else "")
    text = f"{line}{draw(tags(f'#{word} {path}'))}{line}{body}{line}"
    if draw(st.booleans()):
        text += f"{draw(tags('else'))}{line}{draw(bodies(context, depth + 1))}{line}"
    return f"{text}{draw(tags(f'/{word}'))}{line}"


def convert_body(body: str) -> tuple[str, dict[str, str]]:
    """The imported prompt and its parts."""
    said = Said("case.prompt")
    made = convert(f"{FRONT}BEGIN{body}END\n", "case", said, model=None, partial=lambda _: None)
    assert made is not None, said.findings
    return made.text, dict(made.parts)


@settings(max_examples=100)
@given(body=bodies(), values=VALUES)
def test_both_ways_give_the_same_text(body: str, values: dict[str, Any]) -> None:
    """Optional values that are missing or null, empty lists and objects, white space, signs."""
    text, _ = convert_body(body)
    source = parse_source("case", lambda _: text.encode())
    (message,) = render_messages(source, values)
    assert message == {"role": "user", "content": render_handlebars(f"BEGIN{body}END", values)}
