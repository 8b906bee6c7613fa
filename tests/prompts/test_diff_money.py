"""Predicted dollars against metered ones: the same traffic, played with both versions.

The traffic goes through `wai run` to an emulator, the prediction through `wai prompts diff`.
"""

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.cli import Wai
from support.emulator import Emulator, start_emulator
from support.prompts import freeze_prompt
from support.script_tokens import write_tokenizer
from wai_ops.cli.app import run

MODEL = "@cf/moonshotai/kimi-k2.6"
SEED_TEXT = """You work at the help desk of a publisher of school books. Teachers, parents and
bookshops write to you about orders, broken or missing pages, late parcels, invoices and licences
for the reading app. Find out what they need before you propose anything, and ask at most one
question at a time. Be warm but brief: two short paragraphs, no lists unless somebody asks for
steps. Never promise a date, a refund or a discount; say what happens next and who will do it.

An order number has eight digits and begins with 40. If it is missing, ask for it, or for the name
of the school and the month of the order. A parcel counts as late after 6 working days, abroad
after 12. Damaged copies are replaced without a return when a photograph shows the damage; for more
than 10 copies a colleague has to look at it first. Invoices are sent again to the address on file
only, and changes of address need a letter with a stamp. The app asks for a licence key such as
QX4T-88LM-2207; a key works on 30 devices and ends on 31 July of the school year.

Do not discuss other customers, prices of competitors, exams that have not been written, or
anything that is not about our books. When someone is angry, do not argue; repeat what went wrong in
your own words, apologise once, and go on. If a message mentions a lawyer, the press, an injury or a
child in danger, answer with one sentence that a colleague will call today, and nothing else.
"""


def prose(seed: int, count: int) -> str:
    """So many words of the same kind of text, in sentences and lines."""
    rng = random.Random(seed)
    words = SEED_TEXT.lower().replace(".", "").replace(",", "").split()
    lines = []
    for _ in range(count // 10):
        sentence = rng.choices(words, k=10)
        sentence[rng.randrange(9)] += ","
        lines.append(f"{' '.join(sentence).capitalize()}.")
    return "\n".join(lines)


HOUSE, EXTRA = prose(1, 900), prose(2, 400)
TRAFFIC = [
    (workflow, f"{letter}{number}", turn)
    for turn in range(4)
    for workflow, letter in (("support", "c"), ("invoice", "d"))
    for number in range(16)
    # All of the one have a single turn, of the other one to four.
    if turn < (1 + number % 4 if workflow == "support" else 1)
]


def prompt(
    *, model: str = MODEL, limit: int = 200, before: str = "", after: str = "", user: str = ""
) -> str:
    return (
        f"---\nmodel: '{model}'\nparameters: {{max_output_tokens: {limit}}}\n"
        "variables: {ticket: string, customer: string, now: {default: noon}}\n---\n"
        f"{{% role system %}}\n{before}{HOUSE}\n{after}\n"
        f"{{% role user %}}\n{user}The ticket of {{{{ customer }}}}: {{{{ ticket }}}}\n"
    )


CHANGES = {
    "a variable comes first and empties the prefix": prompt(before="For {{ customer }}. "),
    "the prefix becomes longer": prompt(after=EXTRA),
    "the prefix becomes shorter": prompt().replace(HOUSE, HOUSE[: len(HOUSE) // 3]),
    "every turn says more": prompt(user=f"{EXTRA}\n"),
    "another model": prompt(model="@cf/meta/llama-4-scout-17b-16e-instruct"),
    "shorter answers": prompt(limit=40),
    "a clock comes first": prompt(before="It is {{ now }}. "),
}


@dataclass
class Played:
    """A project with the traffic of one version in its ledger."""

    wai: Wai

    def metered_usd(self) -> Decimal:
        """What the ledger says that all of it cost."""
        ran = self.wai("report", "cost", "--format", "json")
        assert ran.exit_code == 0, ran.stderr
        total = json.loads(ran.stdout)["total"]
        assert total["estimated_cost_usd"] in (None, "0.000000000000"), total
        return Decimal(total["cost_usd"])

    def ledger(self, query: str) -> Any:
        """The one value that a query gives."""
        ran = self.wai("ledger", "sql", query, "--format", "jsonl")
        assert ran.exit_code == 0, ran.stderr
        (value,) = json.loads(ran.stdout).values()
        return value

    def predicted(self, version: int, *options: str, before: int = 1) -> Any:
        versions = (f"triage@{before}", f"@{version}")
        ran = self.wai("prompts", "diff", *versions, "--json", *options)
        assert ran.exit_code == 0, ran.stderr
        return json.loads(ran.stdout)


def play(
    folder: Path,
    emulator: Emulator,
    version: int,
    patch: pytest.MonkeyPatch,
    requests: Sequence[tuple[str, str, int]],
    prompt_name: str = "triage",
) -> Played:
    """Send the requests (workflow, conversation, turn) in their order."""
    patch.chdir(folder)
    for name, value in emulator.environ.items():
        patch.setenv(name, value)
    for number, (workflow, name, turn) in enumerate(requests):
        # No two values begin alike: what conversations share is the prompt.
        ticket = f"{turn} {name} has a torn page; say so in 60 words"
        code = run(
            [
                *("run", "--quiet", "--prompt", f"{prompt_name}@{version}"),
                *("--workflow", workflow, "--conversation", name),
                *("--var", f"ticket={ticket}", "--var", f"customer={name[1:]}{name[0]} Ltd"),
                *("--var", f"now={number} seconds past noon"),
            ]
        )
        assert code == 0
    return Played(Wai(folder, dict(emulator.environ)))


def project_with(folder: Path, *versions: str) -> Path:
    folder.mkdir()
    # Names in the header: the same conversation meets the same replica in every play.
    (folder / "wai.yaml").write_text('version: "1"\naffinity: {header: plain}\n')
    for number, text in enumerate(versions, start=1):
        assert freeze_prompt(folder, "triage", text) == number
    assert freeze_prompt(folder, "other", versions[0]) == 1
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@dataclass
class Plays:
    """The same traffic, once with each version, each against an emulator of its own."""

    first: Played
    folder: dict[str, Path]
    """Change -> the project with its traffic."""
    metered: dict[str, Decimal]
    """Change -> what its traffic cost more than that of version 1."""
    cost_of_first: Decimal
    version: dict[str, int]


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> Plays:
    root = tmp_path_factory.mktemp("plays")
    project = project_with(root / "project", prompt(), *CHANGES.values())
    costs = []
    played: list[Played] = []
    with pytest.MonkeyPatch.context() as patch:
        for number in range(1, len(CHANGES) + 2):
            folder = root / f"version-{number}"
            shutil.copytree(project, folder)
            with start_emulator(root / f"emulator-{number}") as emulator:
                played.append(play(folder, emulator, number, patch, TRAFFIC))
            costs.append(played[-1].metered_usd())
    return Plays(
        first=played[0],
        folder={name: play.wai.folder for name, play in zip(CHANGES, played[1:], strict=True)},
        metered={name: cost - costs[0] for name, cost in zip(CHANGES, costs[1:], strict=True)},
        cost_of_first=costs[0],
        version={name: number for number, name in enumerate(CHANGES, start=2)},
    )


@pytest.mark.parametrize("change", CHANGES)
def test_the_predicted_month_is_within_five_percent_of_the_metered_one(
    change: str, plays: Plays, tokenizer: Path
) -> None:
    """Both with a tokenizer and with what the usage of version 1 alone says about tokens."""
    metered = plays.metered[change]
    for options in (("--tokenizer", str(tokenizer)), ()):
        changing = ("--changing", "now") if "clock" in change else ()
        review = plays.first.predicted(plays.version[change], *options, *changing)
        total = review["money"]["total"]
        assert Decimal(total["before_usd"]) == plays.cost_of_first
        assert abs(Decimal(total["delta_usd"]) / metered - 1) < Decimal("0.05"), (total, metered)
        method = review["diff"]["before"]["token_basis"]["method"]
        assert method == ("exact" if options else "calibrated")


def test_what_a_repaired_prefix_saves_is_told_by_how_other_prompts_fare(
    plays: Plays, tokenizer: Path, tmp_path: Path
) -> None:
    """Nothing of the broken version was ever found. As much is taken to be found of the repaired
    one as of another prompt that the ledger knows on the same model."""
    change = "a clock comes first"
    folder = tmp_path / "project"
    shutil.copytree(plays.folder[change], folder)
    others = [(workflow, f"o{name}", turn) for workflow, name, turn in TRAFFIC]
    with start_emulator(tmp_path / "state") as emulator, pytest.MonkeyPatch.context() as patch:
        played = play(folder, emulator, 1, patch, others, "other")
    for options in (("--tokenizer", str(tokenizer)), ()):
        review = played.predicted(1, *options, "--changing", "now", before=plays.version[change])
        saved = -plays.metered[change]
        predicted = Decimal(review["money"]["total"]["delta_usd"])
        assert abs(predicted / saved - 1) < Decimal("0.05"), (predicted, saved)
        assert any("as often as with other prompts" in note for note in review["notes"])


def test_a_running_conversation_pays_once_for_the_prefix_that_it_loses(
    tmp_path: Path, tokenizer: Path
) -> None:
    """Conversations go on with another version: what they then find cached is what was said."""
    changed = CHANGES["a variable comes first and empties the prefix"]
    folder = project_with(tmp_path / "project", prompt(), changed)
    talks = [("support", f"e{number}", turn) for turn in range(2) for number in range(6)]
    goes_on = [("support", f"e{number}", 2) for number in range(6)]
    alone = [("invoice", f"f{number}", 0) for number in range(6)]
    with start_emulator(tmp_path / "state") as emulator, pytest.MonkeyPatch.context() as patch:
        played = play(folder, emulator, 1, patch, [*talks, *alone])
        review = played.predicted(2, "--tokenizer", str(tokenizer))
        play(folder, emulator, 2, patch, goes_on)
    rows = {row["workflow"]: row for row in review["money"]["rows"]}
    assert rows["support"]["live_conversation_count"] == 6
    # One request each: nothing says that they go on, and nothing is counted for them.
    assert Decimal(rows["invoice"]["rewarm_usd"]) == 0
    lost = played.ledger(
        "select sum((b.input_tokens // 16 * 16 - a.cached_input_tokens)"
        " * (a.in_usd_per_m - a.cached_in_usd_per_m) / 1000000)"
        " from model_call a join model_call b using (conversation_id)"
        " where a.turn_index = 2 and b.turn_index = 1"
    )
    assert Decimal(rows["support"]["rewarm_usd"]) == pytest.approx(
        Decimal(str(lost)), rel=Decimal("0.01")
    )
    assert Decimal(rows["support"]["rewarm_usd"]) > Decimal("0.001")
