"""What programs that `wai` starts get of its environment."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wai_ops.config.child_env import ALLOWED, child_environment
from wai_ops.core.secret_names import is_secret_name, without_secrets
from wai_ops.prompts.author import author_of

TOKENS = {"CLOUDFLARE_API_TOKEN": "runtime-t", "WAI_OPERATOR_TOKEN": "operator-t"}


def test_a_tool_process_sees_path_and_locale_and_neither_token_nor_setting() -> None:
    """Asked of a real child process, since that is whose view counts."""
    environ = {
        **os.environ,
        **TOKENS,
        "WAI_GATEWAY": "g",
        "WAI_AFFINITY_KEY": "k",
        "HTTPS_PROXY": "http://p",
        "LC_TOKEN": "operator-t",
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
        env=child_environment(environ),
        capture_output=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen.keys() - {"LC_CTYPE"} <= ALLOWED  # Python sets LC_CTYPE for itself
    assert (seen["PATH"], seen["LANG"]) == (os.environ["PATH"], "C.UTF-8")
    assert not {"runtime-t", "operator-t", "g", "k", "http://p"} & set(seen.values())


@given(st.dictionaries(st.text(), st.text()))
def test_nothing_but_the_listed_names_ever_passes(environ: dict[str, str]) -> None:
    passed = child_environment({**environ, **TOKENS, "PATH": "/bin"})
    assert passed.keys() <= ALLOWED
    assert passed["PATH"] == "/bin"


def test_no_name_on_the_list_is_called_like_a_secret() -> None:
    assert not [name for name in ALLOWED if is_secret_name(name)]


def test_git_gets_its_own_variables_and_no_token(tmp_path: Path) -> None:
    """`git` is found on PATH: here a program of that name, which writes down what it was given."""
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    seen = tmp_path / "seen"
    fake.write_text(f"#!/bin/sh\nenv > {seen}\n")
    fake.chmod(stat.S_IRWXU)
    pair = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email", "GIT_CONFIG_VALUE_0": "a@b"}
    environ = {"PATH": f"{fake.parent}:{os.environ['PATH']}", **TOKENS, **pair}
    author_of(environ, tmp_path)
    lines = seen.read_text().splitlines()
    assert {f"{name}={value}" for name, value in pair.items()} <= set(lines)
    assert not [line for line in lines if "runtime-t" in line or "operator-t" in line]


def test_only_secrets_are_taken_from_what_git_and_pip_get() -> None:
    kept = {"PATH": "/bin", "PIP_INDEX_URL": "https://i", "GIT_DIR": "/d", "GIT_CONFIG_KEY_3": "a"}
    taken = {**TOKENS, "WAI_AFFINITY_KEY": "k", "GITHUB_TOKEN": "t", "DB_PASSWORD": "p"}
    assert without_secrets({**kept, **taken}) == kept
