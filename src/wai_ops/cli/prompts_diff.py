"""`wai prompts diff`: what a changed prompt does to behaviour, cache and money."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wai_ops.cli.context import AppContext
from wai_ops.cli.options import JsonOption
from wai_ops.cli.prompts_app import app, prompts_folder

if TYPE_CHECKING:
    from wai_ops.prompts.sides import Loaded
    from wai_ops.runtime.prompt_money import Question
    from wai_ops.runtime.prompt_review import PromptReview


class ReviewFormat(StrEnum):
    """How a review comes out."""

    TABLE = "table"
    JSON = "json"
    MD = "md"
    GITHUB = "github"


@app.command()
def diff(
    ctx: typer.Context,
    before: Annotated[
        str,
        typer.Argument(
            metavar="A", help="NAME, NAME@3, @LABEL, @sha256:…, @work, @git:REV; alone: released."
        ),
    ],
    after: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help="The same; @… alone is of A's name. Else: A's @work."),
    ] = None,
    *,
    window: Annotated[
        str, typer.Option("--window", metavar="TIME", help="The traffic that is priced: 30d, 7d.")
    ] = "30d",
    assume: Annotated[
        str | None,
        typer.Option(
            "--assume",
            metavar="KEY=N,…",
            help="Without traffic: requests, conversations, live, output, cached (of a month).",
        ),
    ] = None,
    no_money: Annotated[
        bool, typer.Option("--no-money", help="Do not open the ledger: no prices, no calibration.")
    ] = False,
    var: Annotated[
        list[str] | None,
        typer.Option("--var", metavar="NAME=VALUE", help="A usual value, for sizes; repeatable."),
    ] = None,
    changing: Annotated[
        list[str] | None,
        typer.Option(
            "--changing", metavar="NAME", help="A variable that every request changes; repeatable."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="PATH", help="Count with this tokenizer.json."),
    ] = None,
    block_tokens: Annotated[
        int | None,
        typer.Option(
            "--block-tokens", min=1, max=65536, help="The size of a cache's block; else wai.yaml's."
        ),
    ] = None,
    fmt: Annotated[
        ReviewFormat, typer.Option("--format", "-f", help="How the review comes out.")
    ] = ReviewFormat.TABLE,
    as_json: JsonOption = False,
) -> None:
    """Show what tells two versions of a prompt apart, and what the change costs.

    Texts by role, settings, tools; the first difference; the stable prefix and tokens before and
    after; and dollars at the traffic of the ledger, by workflow: a month's difference, and what
    it costs once to warm running conversations again. Exit 1 when a threshold of
    prompts.thresholds in wai.yaml says fail.

    \b
    Examples:
      wai prompts diff triage
      wai prompts diff triage@production triage@work --window 7d
      wai prompts diff triage@git:HEAD~1 @work --format github
      wai prompts diff triage@2 @3 --assume requests=10000,output=200,cached=0.9
    """
    from wai_ops.core.errors import ExitCode
    from wai_ops.core.table import Verdict
    from wai_ops.prompts.lockfile import lock_path, read_lock
    from wai_ops.prompts.sides import load_sides
    from wai_ops.prompts.store import load_version
    from wai_ops.prompts.values import parse_pairs
    from wai_ops.runtime.prompt_review import Review

    context: AppContext = ctx.obj
    settings = context.settings
    folder = prompts_folder(settings, context.cwd)
    values = parse_pairs(var or [])
    question = _question(context, window, assume, no_money=no_money)
    exact = _exact(tokenizer)
    lock = read_lock(lock_path(folder))
    first, second = load_sides(folder, lock, before, after)
    review = Review(
        before=first,
        after=second,
        lock=lock,
        load_frozen=lambda name, sha256: load_version(folder, name, sha256),
        default_model=settings.defaults.model,
        thresholds=settings.prompts.thresholds,
        question=None if question is None else question(first, second),
        open_ledger=_ledger(context),
        exact=exact,
        values=values,
        changing=changing or (),
        block_tokens=block_tokens or settings.prompts.cache_block_tokens,
    ).run()
    _show(context, folder, review, ReviewFormat.JSON if as_json else fmt)
    if review.verdict is Verdict.FAIL:
        raise typer.Exit(ExitCode.VERDICT_NO)


def _question(context: AppContext, window: str, assume: str | None, *, no_money: bool) -> Any:
    """What makes the question of two versions; None: no money is asked for."""
    from wai_ops.core.errors import UsageError
    from wai_ops.core.window import Window, parse_instant

    now = context.clock.now()
    since = parse_instant(window, now=now, flag="--window")
    if since >= now:
        raise UsageError(f"--window {window!r} does not begin in the past", hint="try 30d or 7d")
    if no_money:
        if assume is not None:
            raise UsageError("give either --no-money or --assume, not both")
        return None

    def question(before: "Loaded", after: "Loaded") -> "Question":
        from wai_ops.config.prices import load_price_book
        from wai_ops.runtime.prompt_assumed import parse_assumed
        from wai_ops.runtime.prompt_money import Question

        settings = context.settings
        return Question(
            basis_version=before.recorded_version,
            prices=load_price_book(settings),
            now=now,
            window=Window(since, now),
            idle_ttl_s=settings.affinity.idle_ttl_s,
            default_model=settings.defaults.model,
            output_limits=(
                before.source.front.parameters.max_output_tokens,
                after.source.front.parameters.max_output_tokens,
            ),
            assumed=None if assume is None else parse_assumed(assume),
        )

    return question


def _exact(tokenizer: Path | None) -> Any:
    if tokenizer is None:
        return None
    from wai_ops.prompts.tokenizer_file import open_tokenizer

    return open_tokenizer(tokenizer)


def _ledger(context: AppContext) -> Any:
    """What opens the ledger; None where nothing was ever recorded. Imports nothing heavy."""
    from wai_ops.observe.ledger.paths import archive_dir, ledger_path, raw_dir
    from wai_ops.state.live import LiveState

    state_dir = context.settings.state_dir
    paths = (ledger_path(state_dir), archive_dir(state_dir), raw_dir(state_dir))
    if not LiveState.exists(state_dir) and not any(path.exists() for path in paths):
        return None

    def opened() -> Any:
        from wai_ops.cli.watch import watch
        from wai_ops.observe.ledger.store import open_ledger

        return open_ledger(state_dir, context.clock, watch)

    return opened


def _show(context: AppContext, folder: Path, review: "PromptReview", fmt: ReviewFormat) -> None:
    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json, terminal_width

    if fmt is ReviewFormat.JSON:
        print_json(review)
        return
    if hasattr(sys.stdout, "reconfigure"):
        # Templates are in any script; a stdout that has not got it shows the code.
        sys.stdout.reconfigure(errors="backslashreplace")
    if fmt is ReviewFormat.GITHUB:
        _show_github(context, folder, review)
        return
    from wai_ops.render.prompt_diff import to_md, to_text

    if fmt is ReviewFormat.MD:
        sys.stdout.write(to_md(review))
        return
    width = terminal_width()
    is_dumb = context.environ.get("TERM", "dumb") == "dumb"
    has_colour = width is not None and not is_dumb and not context.environ.get("NO_COLOR")
    sys.stdout.write(to_text(review, width=width, has_colour=has_colour))
    sys.stdout.flush()
    for note in review.notes:
        diagnostics.note(note)


def _show_github(context: AppContext, folder: Path, review: "PromptReview") -> None:
    from wai_ops.render.annotations import (
        append_step_summary,
        repository_prefix,
        to_annotations,
        to_summary,
    )
    from wai_ops.render.prompt_diff import headline, title, to_sections

    prefix = repository_prefix(folder.parent, context.environ)
    sys.stdout.write(to_annotations(review.findings, prefix=prefix))
    summary = to_summary(
        f"wai prompts diff {title(review)}",
        review.findings,
        verdict=review.verdict,
        headline=headline(review),
        sections=to_sections(review),
    )
    if append_step_summary(summary, context.environ):
        return
    if context.environ.get("GITHUB_ACTIONS") != "true":
        sys.stdout.write(summary)
        return
    # The runner takes commands from indented lines, too, and a template may hold what looks like
    # one. Nobody can guess the word that ends this.
    word = f"wai-{context.rng.getrandbits(128):032x}"
    sys.stdout.write(f"::stop-commands::{word}\n{summary}::{word}::\n")
