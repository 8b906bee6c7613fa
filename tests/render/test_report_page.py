"""The page of all reports: in a real browser, with names that want to be more than text."""

import base64
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from support.browser import Loaded, load
from wai_ops.core.overview import Exhibit, Overview, Section, Tile
from wai_ops.core.plot import Mark, Plot
from wai_ops.core.table import Table, Unit, Verdict, col
from wai_ops.render.report_page import MOST_TABLE_ROWS, to_page

AT = datetime(2026, 3, 14, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A name that somebody else chose, and numbers."""

    workflow: str = col("Workflow")
    cost_usd: Decimal | None = col("Cost", Unit.USD)
    ratio: float | None = col("Cached share", Unit.RATIO)
    target: float | None = col("Target", Unit.RATIO)


COST = Plot(title="Cost", mark=Mark.BARS, values=("cost_usd",))
SHARE = Plot(title="Cached", mark=Mark.BARS, values=("ratio",), target="target")


def hostile(origin: str) -> list[str]:
    """Names that would change the title, or fetch from `origin`, if a browser understood them."""
    pwn = "document.title='pwned'"
    return [
        f"<script>{pwn}</script>",
        f"</script><script>{pwn}</script>",
        f"</title></style></svg></table><script>{pwn}</script>",
        f"<img src={origin}/img onerror={pwn}>",
        f'" onmouseover="{pwn}" autofocus onfocus="{pwn}" x="',
        f"' onload='{pwn}' style='background:url({origin}/style)'",
        f"<svg onload={pwn}><use href={origin}/use#x /></svg>",
        f"<svg><script href={origin}/script /></svg>",
        f"<math><mtext><table><mglyph><style><img src={origin}/mxss onerror={pwn}>",
        f"<iframe srcdoc='<script>parent.{pwn}</script>'></iframe>",
        f"<meta http-equiv=refresh content='0;url={origin}/refresh'>",
        f"<base href={origin}/base/><link rel=stylesheet href={origin}/css>",
        f"<object data={origin}/object></object><embed src={origin}/embed>",
        f"}} body {{ background: url({origin}/css-break) }} /*",
        f"@import '{origin}/import';",
        f"javascript:{pwn}",
        f"&lt;script&gt;{pwn}&lt;/script&gt;&#60;img src={origin}/entity&#62;",
        "]]><!--", "--><!-- <![CDATA[",
        "\u202egnp.exe\u202d \u2066x\u2069 \x00\x1b]0;pwned\x07",
        f"{{{{ 7 * 191 }}}} {{% raw %}} ${{{pwn}}}",
    ]  # fmt: skip


def overview(names: list[str], **changes: Any) -> Overview:
    """Every place of the page where a text of somebody else can stand, with each of the names."""
    rows = [
        Row(workflow=name, cost_usd=Decimal(n), ratio=n / 99, target=0.1)
        for n, name in enumerate(names, start=1)
    ]
    sections = [
        Section(
            key=f"part-{number}",
            title=f"{number} {name}",
            question=name,
            exhibits=(
                Exhibit(
                    table=Table(
                        row_type=Row,
                        rows=rows,
                        title=name,
                        notes=(f"note {name}", f"shared {name}"),
                        total=replace(rows[0], workflow=name),
                        verdict=Verdict.FAIL,
                    ),
                    plots=(replace(COST, title=name), SHARE) if number == 0 else (),
                    command=f"wai report cost --where 'workflow={name}'",
                ),
            ),
        )
        for number, name in enumerate(names)
    ]
    tiles = [
        Tile(label=name, value=name, unit=Unit.TEXT, detail=name, verdict=Verdict.WARN)
        for name in names
    ]
    made = Overview(
        title=f"Agent operations {names[0]}",
        scope=" ".join(names),
        made_at=AT,
        made_by=names[1],
        tiles=tuple(tiles),
        sections=tuple(sections),
        evidence=tuple(names),
    )
    return replace(made, **changes)


class Page(HTMLParser):
    """Tags, attributes, ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]


def title_of(loaded: Loaded) -> str:
    found = re.search(r"<title>(.*?)</title>", loaded.dom, re.DOTALL)
    assert found is not None
    return found[1]


def test_in_a_browser_nothing_runs_and_nothing_is_fetched(tmp_path: Path) -> None:
    loaded = load(lambda origin: to_page(overview(hostile(origin))), tmp_path)
    assert loaded.paths == ["/report.html"]
    assert loaded.requests == []
    # A script that ran would have changed the title, which is the first of the names.
    assert title_of(loaded).startswith("Agent operations &lt;script&gt;document.title")
    assert not Page(loaded.dom).tags.keys() & {
        *("script", "img", "iframe", "object", "embed", "link", "base", "use", "image", "mglyph"),
    }
    assert not [name for name in Page(loaded.dom).attributes if name.startswith("on")]


def test_the_browser_test_would_see_a_script_and_a_request(tmp_path: Path) -> None:
    """The probe itself must be able to fail: the same payloads, this time as markup."""

    def page(origin: str) -> str:
        return f"<!doctype html><title>safe</title><p>{' '.join(hostile(origin)[:4])}"

    loaded = load(page, tmp_path)
    assert title_of(loaded) == "pwned"
    assert "/img" in loaded.paths
    assert [url for url in loaded.requests if url.endswith("/img")]


def test_the_policy_alone_would_stop_a_script_and_a_request(tmp_path: Path) -> None:
    """Were a name ever to become markup, the page's policy is the second wall."""

    def page(origin: str) -> str:
        planted = " ".join(name for name in hostile(origin) if "refresh" not in name)
        return to_page(overview(["a", "b"])).replace("<main>", f"<main>{planted}", 1)

    loaded = load(page, tmp_path)
    assert title_of(loaded) == "Agent operations a"
    assert Page(loaded.dom).tags["script"] > 0
    assert loaded.paths == ["/report.html"]
    assert [url for url in loaded.requests if not url.startswith("data:")] == []


def test_a_name_changes_no_tag_and_no_attribute() -> None:
    names = hostile("http://127.0.0.1:1")
    page, plain = (
        Page(to_page(overview(names))),
        Page(to_page(overview([f"w{n}" + "x" * len(name) for n, name in enumerate(names)]))),
    )
    assert page.tags == plain.tags
    assert page.attributes == plain.attributes
    assert not [link for link in page.links if not link.startswith("#part-")]


def test_ids_are_unique_and_every_entry_of_the_contents_leads_somewhere() -> None:
    page = Page(to_page(overview(["a", "b"])))
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_one_style_sheet_is_allowed_by_its_hash_and_no_style_stands_elsewhere() -> None:
    text = to_page(overview(["a", "b"]))
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in text
    page = Page(text)
    assert page.tags["style"] == 1
    assert not page.attributes.keys() & {"style", "src", "srcset", "action", "data"}
    assert "url(" not in style
    assert "@import" not in style


def test_a_long_table_is_cut_and_says_how_to_get_the_rest() -> None:
    rows = [
        Row(workflow=f"w{n}", cost_usd=Decimal(n), ratio=None, target=None)
        for n in range(MOST_TABLE_ROWS + 7)
    ]
    exhibit = Exhibit(
        table=Table(row_type=Row, rows=rows, title="Cost"), command="wai report cost --since 7d"
    )
    section = Section(key="cost", title="Costs", question="?", exhibits=(exhibit,))
    text = to_page(overview(["a", "b"], sections=(section,)))
    assert text.count("<tr>") == MOST_TABLE_ROWS + 1
    assert "7 more rows are not shown here. All of them: <code>wai report cost --since 7d" in text


def test_a_silent_section_says_so() -> None:
    section = Section(key="x", title="X", question="?", silence="Nothing of this in the window.")
    text = to_page(overview(["a", "b"], sections=(section,)))
    assert '<p class="blank">Nothing of this in the window.</p>' in text
    assert "<table>" not in text


def test_a_note_of_several_sections_stands_once_at_the_top() -> None:
    def section(key: str, *notes: str) -> Section:
        table = Table(row_type=Row, rows=[], title=key, notes=notes)
        return Section(key=key, title=key, question="?", exhibits=(Exhibit(table=table),))

    sections = (section("one", "shared", "first"), section("two", "shared", "second"))
    text = to_page(overview(["a", "b"], sections=sections, evidence=()))
    top, _, rest = text.partition('id="one"')
    assert (top.count(">shared<"), rest.count(">shared<")) == (1, 0)
    assert (top.count(">first<"), rest.count(">first<")) == (0, 1)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_is_a_word_and_not_a_colour_alone(verdict: Verdict) -> None:
    tile = Tile(label="TTFT", value=1234.5, unit=Unit.MS, verdict=verdict)
    text = to_page(overview(["a", "b"], tiles=(tile,), sections=()))
    assert f'<span class="chip {verdict.value}">{verdict.value}</span>' in text
    assert '<p class="value">1,230 ms</p>' in text
