"""Options that several commands share, spelled once."""

from typing import Annotated

import typer

from wai_ops.cli.output import Format

FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="How rows come out.", show_default=True)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout; see wai schema.")
]
LocalOption = Annotated[
    bool, typer.Option("--local", help="Use the local emulator: no account, nothing billed.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="From: 24h, 7d, 2026-01-31 (UTC).")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to, exclusive: as --since.")
]
