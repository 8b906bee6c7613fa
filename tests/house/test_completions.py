"""The completion scripts, in the shells themselves."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from generator.completions import completion_files
from generator.model import read_tree

from house.interactive import InteractiveShell, require_shell
from house.sample_cli import sample_tree

MODELS = ("@cf/acme/large", "@cf/acme/small", "@cf/other/tiny")

# What each shell must make of a line: the words of the command once TAB was pressed.
TABS = [
    ("wai rep", ["report"]),
    ("wai report sh", ["report", "show"]),
    ("wai run --no-s", ["run", "--no-stream"]),
    ("wai run --colour g", ["run", "--colour", "green"]),
    ("wai run --colour=g", ["run", "--colour=green"]),
    ("wai run --model @cf/acme/s", ["run", "--model", "@cf/acme/small"]),
    ("wai run --model=@cf/o", ["run", "--model=@cf/other/tiny"]),
    ("wai run -m @cf/acme/l", ["run", "-m", "@cf/acme/large"]),
    ("wai run --tenant ac", ["run", "--tenant", "acme"]),
    ("wai run --workflow sup", ["run", "--workflow", "support"]),
    ("wai run --conversation tick", ["run", "--conversation", "ticket/1"]),
    ("wai run --prompt greet@", ["run", "--prompt", "greet@1.2"]),
    ("wai run --prompt greet.", ["run", "--prompt", "greet.md"]),
    ("wai run --schema two", ["run", "--schema", "two words.json"]),
    ("wai run --folder sub", ["run", "--folder", "subfolder/"]),
    ("wai run --state sub", ["run", "--state", "subfolder/"]),
    ("wai run --endpoint c", ["run", "--endpoint", "chat"]),
    ("wai report show r", ["report", "show", "red"]),
    ("wai report show red two", ["report", "show", "red", "two words.json"]),
    ("wai run 'a --colour b' --tenant ac", ["run", "a --colour b", "--tenant", "acme"]),
    ("wai run -- --no-s", ["run", "--", "--no-s"]),
    ("wai run --temperature 0", ["run", "--temperature", "0"]),
]


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, text in completion_files(read_tree(sample_tree()), MODELS).items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder inside a project whose names file holds good names and hostile ones."""
    (tmp_path / "wai.yaml").touch()
    (tmp_path / ".wai").mkdir()
    (tmp_path / ".wai" / "names").write_text(
        "tenant\tacme\n"
        "tenant\tac$(touch executed)\n"
        "tenant\tac`touch executed`\n"
        "tenant\tac;touch executed\n"
        "tenant\tac me\n"
        "tenant\t--acid\n"
        "tenant\tac\x1b[31m\n"
        "workflow\tsupport\n"
        "workflowx\tsupper\n"
        "conversation\tticket/1\n"
        "prompt\tgreet@1.2\n"
        "no tab here\n"
    )
    work = tmp_path / "work"
    (work / "subfolder").mkdir(parents=True)
    (work / "greet.md").touch()
    (work / "two words.json").touch()
    return work


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "INPUTRC": os.devnull,
        "HISTFILE": os.devnull,
    }


@pytest.fixture(params=[("bash", "wai.bash"), ("zsh", "_wai")], ids=["bash", "zsh"])
def shell(
    request: pytest.FixtureRequest, scripts: Path, work: Path, env: dict[str, str]
) -> Iterator[InteractiveShell]:
    name, script = request.param
    with InteractiveShell(name, scripts / script, cwd=work, env=env) as shell:
        yield shell


def test_tab_in_a_terminal_completes_commands_options_and_values(
    shell: InteractiveShell, work: Path
) -> None:
    assert {line: shell.words_after_tab(line) for line, _ in TABS} == dict(TABS)
    assert not (work / "executed").exists()


def fish(scripts: Path, work: Path, env: dict[str, str], line: str) -> list[str]:
    """What fish offers for a line: (candidates without their descriptions)."""
    program = f"source {scripts}/wai.fish; complete -C $argv[1]"
    result = subprocess.run(
        [require_shell("fish"), "--no-config", "-c", program, line],
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return [candidate.partition("\t")[0] for candidate in result.stdout.splitlines()]


@pytest.mark.parametrize(("line", "words"), TABS[:-2])
def test_fish_offers_commands_options_and_values(
    line: str, words: list[str], scripts: Path, work: Path, env: dict[str, str]
) -> None:
    assert fish(scripts, work, env, line) == [words[-1]]
    assert not (work / "executed").exists()


def test_fish_offers_no_option_after_two_dashes(
    scripts: Path, work: Path, env: dict[str, str]
) -> None:
    assert fish(scripts, work, env, "wai run -- --no-s") == []


def bash_replies(scripts: Path, work: Path, env: dict[str, str], *words: str) -> list[str]:
    """Call bash's completion function as readline does; return COMPREPLY."""
    program = """
        source "$1/wai.bash"
        compopt() { :; }
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        _wai
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    result = subprocess.run(
        ["bash", "-c", program, "bash", str(scripts), *words],
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
    return result.stdout.split()


@pytest.mark.parametrize(
    ("words", "replies"),
    [
        (["wai", ""], ["run", "report"]),
        (["wai", "report", ""], ["cost", "show"]),
        (["wai", "report", "cost", "--"], ["--by", "--help"]),
        (["wai", "report", "cost", ""], ["--by", "--help"]),
        (["wai", "run", "--colour", ""], ["red", "green"]),
        (["wai", "run", "--model", ""], list(MODELS)),
        (["wai", "run", "--tenant", ""], ["acme"]),
        (["wai", "run", "--prompt", "greet"], ["greet@1.2", "greet.md"]),
        (["wai", "run", "--schema", ""], []),
        (["wai", "unknown", ""], ["run", "report"]),
    ],
)
def test_bash_offers_every_candidate(
    words: list[str], replies: list[str], scripts: Path, work: Path, env: dict[str, str]
) -> None:
    assert bash_replies(scripts, work, env, *words) == replies


def test_names_come_from_the_state_folder_that_wai_would_use(
    scripts: Path, work: Path, env: dict[str, str], tmp_path: Path
) -> None:
    """WAI_STATE_DIR first, then beside the nearest wai.yaml, then the user's data directory."""
    for folder, tenant in (("set", "from-env"), ("data/wai", "from-data")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "names").write_text(f"tenant\t{tenant}\n")
    ask = ("wai", "run", "--tenant", "")
    data = {"XDG_DATA_HOME": str(tmp_path / "data")}
    outside = tmp_path.parent

    assert bash_replies(scripts, work, env | data, *ask) == ["acme"]
    assert bash_replies(scripts, outside, env | data, *ask) == ["from-data"]
    assert bash_replies(scripts, outside, env, *ask) == []
    named = env | data | {"WAI_STATE_DIR": str(tmp_path / "set")}
    assert bash_replies(scripts, work, named, *ask) == ["from-env"]


def test_a_name_that_a_shell_would_expand_never_reaches_it(
    scripts: Path, work: Path, env: dict[str, str]
) -> None:
    assert bash_replies(scripts, work, env, "wai", "run", "--tenant", "ac") == ["acme"]
    assert fish(scripts, work, env, "wai run --tenant ") == ["acme"]
    assert not (work / "executed").exists()
