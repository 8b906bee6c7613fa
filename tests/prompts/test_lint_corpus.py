"""What lint says about prompts that are fine: next to nothing. And how long it takes, at worst."""

import subprocess
from pathlib import Path

from wai_ops.core.findings import Level
from wai_ops.prompts.lint.look import Options
from wai_ops.prompts.lint.runner import lint_prompts
from wai_ops.prompts.store import list_names
from wai_ops.runtime.prompt_lint import secret_finder

CORPUS = Path(__file__).with_name("lint_corpus")
LARGE = 300_000


def test_reasonable_prompts_pass_without_a_word_of_warning() -> None:
    """Eighteen prompts as people write them: dates at the end, examples, loops, conditions."""
    names = list_names(CORPUS)
    linted = lint_prompts(CORPUS, names, Options(find_secrets=secret_finder({})))
    assert len(names) == linted.prompt_count == 18
    assert [item for item in linted.findings if item.level is not Level.NOTE] == []
    # A short prompt is a fact and no mistake: a note.
    assert {item.rule for item in linted.findings} == {"WP009"}


HOSTILE = {
    "one long line": "a" * LARGE,
    "words": "word " * (LARGE // 5),
    "sentences": "".join(f"Sentence number {n} is of another kind. " for n in range(8_000)),
    "the same sentence": "Always answer in the language of the customer. " * 6_000,
    "dots": "." * LARGE,
    "json": "json " * (LARGE // 5),
    "almost json": "answer json not " * (LARGE // 16),
    "today": "today is " * (LARGE // 9),
    "current date": "the current date is " + "the current date " * (LARGE // 17),
    "months": "today is " + "1 jan" * (LARGE // 5),
    "control signs": "<|" * (LARGE // 2),
    "longer control signs": "<|" + "a" * LARGE,
    "system lines": "\n" * LARGE,
    "spaces": "x" + " " * LARGE + "y",
    "hashes": "#" * LARGE,
    "stars": "*" * LARGE,
    "fences": "```\n" * (LARGE // 4),
    "braces": "{ " * (LARGE // 2),
    "comments": "{##}" * (LARGE // 4),
    "tags": "{{ a }}" * 2_500,
    "volatile tags": "{{ today }}" * 2_500,
    "loops": "{% for k, v in a.items() %}{{ k }}" * 60 + "{% endfor %}" * 60,
    "conditions": "{% if a %}Always answer in the language of the customer.{% endif %}" * 1_000,
    "branches": "{% if a %}x"
    + "{% elif a %}Always answer in the language of the customer." * 1_000
    + "{% endif %}",
    "sets": "".join(f"{{% set v{n} = v{n - 1} ~ a %}}" for n in range(1, 700)),
    "chains": "{{ a" + ".b" * 1_500 + " }}",
    "brackets": "{{ " + "(" * 2_000 + "a" + ")" * 2_000 + " }}",
    "nots": "{{ " + "not " * 3_000 + "a }}",
    "sums": "{{ " + "a + " * 3_000 + "a }}",
    "macros": "{% macro f(x) %}{{ x }}{% endmacro %}" + "{{ f(a) }}" * 1_000,
    "unclosed": "{{ a " * 1_000,
    "apostrophes": "{{ '" + "\\'" * 10_000,
    "unicode": "\u2019\u00e9\U0001f600 " * (LARGE // 4),
}


def test_no_prompt_takes_long(python: str) -> None:
    """All of them in a process that the system ends when it computes for too long.

    Together they take seconds. One rule that looks at a text twice as long four times as long
    would take hours: 300,000 characters squared.
    """
    done = subprocess.run(
        [python, "-c", LOOK_AT_ALL, str(Path(__file__).parent.parent), __file__],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == list(HOSTILE)


LOOK_AT_ALL = """
import importlib.util, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
sys.path.insert(0, sys.argv[1])
from support.lint_cases import declared, front, look
spec = importlib.util.spec_from_file_location("cases", sys.argv[2])
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
options = cases.Options(find_secrets=cases.secret_finder({}))
for name, text in cases.HOSTILE.items():
    look(front("x " + text, declared(a="object", today="string")), None, options)
    print(name)
"""
