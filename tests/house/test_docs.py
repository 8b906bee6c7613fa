"""The checks of scripts/check_docs.py notice what they are there for."""

from pathlib import Path

from check_docs import ROOT, check_commands, check_links
from generator.model import read_tree

from house.sample_cli import sample_tree

TREE = read_tree(sample_tree())


def problems(*lines: str) -> list[str]:
    return list(check_commands("```console\n" + "\n".join(lines) + "\n```\n", TREE))


def test_commands_that_exist_pass() -> None:
    assert (
        problems(
            '$ wai run --model @cf/x/y "a --b" | head -1',
            "an answer, which is no command",
            "$ wai report cost --by=red > cost.txt",
            '$ wai report cost --by "a > b | c" 2>/dev/null | wai nonsense',
            "wai run \\",
            "  --no-stream -m x",
        )
        == []
    )


def test_a_command_or_option_that_does_not_exist_is_named() -> None:
    assert problems("$ wai report costs", "$ wai run --mode x") == [
        "`wai report costs`: wai report has no command costs",
        "`wai run --mode x`: wai run has no option --mode",
    ]


def test_blocks_of_other_languages_are_left_alone() -> None:
    assert list(check_commands("```python\nwai nonsense\n```\n", TREE)) == []


def test_a_link_leads_to_a_file_and_a_heading(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One `thing`, and more\n")
    this = tmp_path / "this.md"
    text = (
        "[a](there.md) [b](there.md#one-thing-and-more) [c](https://example.com/x) [d](#here)\n"
        "[e](gone.md) [f](there.md#two)\n## Here\n"
    )
    this.write_text(text)
    assert list(check_links(this, text)) == [
        "link to gone.md: no such file",
        "link to there.md#two: no such heading",
    ]


def test_every_benchmark_is_described_beside_it() -> None:
    """`rows.py` and `sql/` are what the others share."""
    folder = ROOT / "benchmarks"
    told = (folder / "README.md").read_text("utf-8")
    scripts = {path.name for path in folder.glob("*.py")} - {"rows.py"}
    assert {name for name in scripts if f"`{name}`" not in told} == set()
