"""`wai audit prove`, `wai audit export-tiles`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.audit_app import KeyOption, app, log_folder, needed_keys
from wai_ops.cli.context import AppContext

if TYPE_CHECKING:
    from wai_ops.control.decisions.note import VerifierKey


@app.command()
def prove(
    ctx: typer.Context,
    decision: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="A decision, or the number of a record."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", metavar="FILE", help="An older checkpoint: prove that it grew into this."
        ),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="FILE", help="Check a proof, without a log.")
    ] = None,
    key: KeyOption = None,
) -> None:
    """Prove that a record is in the log that was signed, for somebody who has no log.

    Prints JSON: the record, the hashes, the signed checkpoint, and how to check them.

    \b
    Examples:
      wai audit prove 0190b2c4-7e1a-7c3d-9a52-3f6e1d2c4b5a > proof.json
      wai audit prove 1234 --against last-month.checkpoint > proof.json
      wai audit prove --check proof.json --key audit.pub
    """
    from wai_ops.cli.output import print_json
    from wai_ops.control.decisions.listing import record_number
    from wai_ops.control.decisions.prove import older_checkpoint, prove_record, to_plain
    from wai_ops.core.errors import UsageError

    context: AppContext = ctx.obj
    keys = needed_keys(context, key)
    if (decision is None) == (check is None):
        raise UsageError(
            "give the id of a decision, or --check FILE", hint="wai audit prove --help"
        )
    if check is not None:
        _check(context.cwd / check, keys)
        return
    assert decision is not None
    folder = log_folder(context)
    older = None if against is None else older_checkpoint(context.cwd / against, keys)
    index = record_number(folder, decision)
    print_json(to_plain(prove_record(folder, index, keys, older)))


def _check(path: Path, keys: "tuple[VerifierKey, ...]") -> None:
    import json

    from wai_ops.cli import diagnostics
    from wai_ops.config.files import read_small_file
    from wai_ops.control.decisions.prove import check_proof, from_plain
    from wai_ops.core.errors import ExitCode, UsageError

    try:
        proof = from_plain(json.loads(read_small_file(path)))
    except (ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"is no proof: {error}", where=str(path)) from error
    try:
        at = check_proof(proof, keys)
    except ValueError as error:
        diagnostics.message(f"the proof does not hold: {error}")
        raise typer.Exit(ExitCode.VERDICT_NO) from error
    typer.echo(f"holds: record {proof.index} of the {at.size} that {at.origin} signed")


@app.command("export-tiles")
def export_tiles_command(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write them.")],
    key: KeyOption = None,
) -> None:
    """Write the signed part of the log as tlog-tiles, the static files that public tools read.

    Run again later, only what is new is added. Records after the last checkpoint stay out.

    \b
    Examples:
      wai audit export-tiles /mnt/evidence/tiles
    """
    from wai_ops.cli import diagnostics
    from wai_ops.control.decisions.audit import needed_checkpoint
    from wai_ops.control.decisions.lines import measure, read_lines
    from wai_ops.control.decisions.log import FILE_NAME
    from wai_ops.control.decisions.tiles import export_tiles

    context: AppContext = ctx.obj
    source = log_folder(context)
    at, note = needed_checkpoint(source, needed_keys(context, key))
    path = source / FILE_NAME
    lines = read_lines(path, measure(path).whole_bytes)
    count = export_tiles(lines, at, note, context.cwd / folder)
    diagnostics.note(f"{at.size:,} records, {count:,} new files")
    typer.echo(str(folder))
