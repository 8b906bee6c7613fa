"""`wai emulator`: run the local Cloudflare, turn its knobs, record and replay real traffic."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.options import FormatOption, JsonOption
from wai_ops.cli.output import Format

if TYPE_CHECKING:
    from wai_ops.emulator.endpoint import Endpoint

app = new_app("Run a local Cloudflare for development and tests.")

StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Its folder. Default: beside wai's own state."),
]
PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")
]


class TruthBy(StrEnum):
    """What one row of the truth stands for."""

    TENANT = "tenant"
    WORKFLOW = "workflow"
    MODEL = "model"
    PROMPT = "prompt"
    STATUS = "status_code"
    CACHED = "cached"


@app.command()
def serve(
    ctx: typer.Context,
    *,
    port: PortOption = 0,
    state: StateOption = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", metavar="NAME", help="scripted, smollm2, or the path of a GGUF file."
        ),
    ] = "scripted",
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Knobs: latency, capacity, lag, faults."),
    ] = None,
    conformance: Annotated[
        bool,
        typer.Option(
            "--conformance",
            help="Let the tests of Cloudflare's Python client in, by their published key.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Serve Workers AI and AI Gateway on loopback until Ctrl-C.

    \b
    Examples:
      wai emulator serve
      wai emulator serve --backend smollm2 --port 8787
      wai emulator serve --config emulator.yaml
      wai emulator serve --state cf-state --json
    """
    import sys

    from wai_ops.emulator.endpoint import to_json
    from wai_ops.emulator.server import serve as run_server

    state_dir = _state_dir(ctx, state)

    def announce(endpoint: "Endpoint") -> None:
        if json:
            import json as encoder

            text = encoder.dumps(to_json(endpoint))
        else:
            flag = "" if state is None else f" --state {shlex.quote(str(state_dir))}"
            text = (
                f"A local Cloudflare answers at {endpoint.base_url} (backend {backend}).\n"
                f"State: {state_dir}\n"
                "Point another shell at it:\n"
                f'  eval "$(wai emulator env{flag})"\n'
                'Then, for example: wai run "Hello"\n'
                "Stop it with Ctrl-C."
            )
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    run_server(
        state_dir,
        port=port,
        backend=backend,
        config=config,
        conformance=conformance,
        on_ready=announce,
    )


@app.command()
def env(ctx: typer.Context, *, state: StateOption = None) -> None:
    """Print shell lines that point wai and other clients at the running emulator.

    \b
    Examples:
      eval "$(wai emulator env)"
      wai emulator env --state cf-state
    """
    import sys

    from wai_ops.emulator.endpoint import to_environ

    values = to_environ(_running(ctx, state))
    for name, value in values.items():
        sys.stdout.write(f"export {name}={_quoted(value)}\n")
    sys.stdout.flush()


@app.command("fetch-model")
def fetch_model(*, json: JsonOption = False) -> None:
    """Fetch the small real model of the smollm2 backend (98 MB, once) and verify it.

    \b
    Examples:
      wai emulator fetch-model
      wai emulator fetch-model --json
    """
    import sys

    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json
    from wai_ops.emulator.model_file import SMOLLM2
    from wai_ops.emulator.model_file import fetch_model as fetch

    path = fetch(progress=diagnostics.message)
    if json:
        print_json({"path": path, "sha256": SMOLLM2.sha256, "size_bytes": SMOLLM2.size})
    else:
        sys.stdout.write(f"{path}\n")


@app.command("set")
def set_knobs(
    ctx: typer.Context,
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Values are YAML.")
    ] = None,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="First go back to the file and the defaults.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print every knob.")] = False,
    state: StateOption = None,
    json: JsonOption = False,
) -> None:
    """Change how the emulator behaves, now and after restarts; without a change, show it.

    \b
    Examples:
      wai emulator set latency.overhead_ms=80 latency.decode_tokens_per_s=40
      wai emulator set capacity.concurrency=2 capacity.queue_length=8
      wai emulator set 'faults=[{kind: reset, probability: 0.05, seed: 7}]'
      wai emulator set --reset
      wai emulator set --show
    """
    import sys

    from wai_ops.cli import diagnostics
    from wai_ops.cli.output import print_json, to_json_line
    from wai_ops.emulator.knob_commands import apply, parse_assignments

    state_dir = _state_dir(ctx, state)
    told = apply(state_dir, parse_assignments(changes or ()), reset=reset)
    if json:
        print_json(told)
    else:
        is_look = show or not (changes or reset)
        listed = told["knobs"] if is_look else told["changed"]
        for name, value in listed.items():
            mark = "  # changed" if is_look and name in told["changed"] else ""
            sys.stdout.write(f"{name}={to_json_line(value)}{mark}\n")
        sys.stdout.flush()
    if not told["is_running"] and (changes or reset):
        diagnostics.note("no emulator is running on this state folder: kept for the next start")
    for name in told["needs_restart"]:
        diagnostics.note(f"{name} holds from the next start of the emulator")


@app.command()
def truth(
    ctx: typer.Context,
    by: Annotated[TruthBy, typer.Option("--by", help="What one row stands for.")] = (
        TruthBy.WORKFLOW
    ),
    *,
    state: StateOption = None,
    fmt: FormatOption = Format.TABLE,
    json: JsonOption = False,
) -> None:
    """Print the exact totals that were served, to hold reports against.

    \b
    Examples:
      wai emulator truth
      wai emulator truth --by tenant --format csv
      wai emulator truth --json
    """
    from wai_ops.cli.output import emit, print_json
    from wai_ops.emulator.own_api import call
    from wai_ops.emulator.truth_rows import truth_table

    told = call(_running(ctx, state), "GET", "/__wai/truth")
    if json:
        print_json(told)
    else:
        emit(truth_table(told, by.value), fmt)


@app.command("restart-replica")
def restart_replica(
    ctx: typer.Context,
    replica: Annotated[int, typer.Argument(min=0, help="Counted from 0.")],
    *,
    state: StateOption = None,
) -> None:
    """Empty the prefix cache of one replica, as its restart would.

    \b
    Examples:
      wai emulator restart-replica 0
    """
    from wai_ops.cli import diagnostics
    from wai_ops.emulator.own_api import call

    call(_running(ctx, state), "POST", f"/__wai/replicas/{replica}/restart")
    diagnostics.message(f"replica {replica} is cold again")


@app.command()
def record(
    *,
    target: Annotated[
        str, typer.Option("--target", metavar="URL", help="The real API to pass requests on to.")
    ] = "https://api.cloudflare.com/client/v4",
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A new file to record into.")],
    port: PortOption = 0,
    json: JsonOption = False,
) -> None:
    """Record real traffic with its timings, secrets masked, until Ctrl-C.

    The recorded requests are real: they cost what they cost. Prompts and answers are kept.

    \b
    Examples:
      wai emulator record --to real.jsonl
      wai emulator record --to real.jsonl --port 8080 --json
    """
    import sys

    from wai_ops.cli import diagnostics
    from wai_ops.emulator.tape.serve import record as run_recorder

    def announce(base_url: str, _token: str) -> None:
        if json:
            import json as encoder

            text = encoder.dumps({"base_url": base_url, "target": target, "file": str(to)})
        else:
            text = (
                f"Requests to {base_url} go to {target} and into {to}.\n"
                f"Point a client at it: export CLOUDFLARE_BASE_URL={_quoted(base_url)}\n"
                "Stop it with Ctrl-C."
            )
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    count = run_recorder(target=target, file=to, port=port, on_ready=announce)
    diagnostics.message(f"{count} exchanges are in {to}")


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="A recording.")],
    *,
    speed: Annotated[
        float, typer.Option("--speed", min=0, help="1: as recorded; 10: faster; 0: at once.")
    ] = 1.0,
    port: PortOption = 0,
    json: JsonOption = False,
) -> None:
    """Answer requests from a recording, with its timings, until Ctrl-C.

    \b
    Examples:
      wai emulator replay real.jsonl
      wai emulator replay real.jsonl --speed 0 --json
    """
    import sys

    from wai_ops.emulator.tape.masking import ACCOUNT
    from wai_ops.emulator.tape.serve import replay as run_replay

    def announce(address: str, token: str) -> None:
        told = {
            "base_url": f"{address}/client/v4",
            "gateway_base_url": f"{address}/v1",
            "account_id": ACCOUNT,
            "token": token,
        }
        if json:
            import json as encoder

            text = encoder.dumps(told)
        else:
            names = (
                "CLOUDFLARE_BASE_URL",
                "CLOUDFLARE_AI_GATEWAY_BASE_URL",
                "CLOUDFLARE_ACCOUNT_ID",
                "CLOUDFLARE_API_TOKEN",
            )
            pairs = zip(names, told.values(), strict=True)
            text = "\n".join(f"export {name}={_quoted(value)}" for name, value in pairs)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    run_replay(file=file, port=port, speed=speed, on_ready=announce)


def _running(ctx: typer.Context, state: Path | None) -> "Endpoint":
    """The emulator on the state folder. Raises DataError when none runs."""
    from wai_ops.core.errors import DataError
    from wai_ops.emulator.endpoint import running_endpoint

    state_dir = _state_dir(ctx, state)
    endpoint = running_endpoint(state_dir)
    if endpoint is None:
        raise DataError(
            "no emulator is running on this state folder",
            where=str(state_dir),
            hint="start one in another shell: wai emulator serve",
        )
    return endpoint


def _state_dir(ctx: typer.Context, state: Path | None) -> Path:
    if state is not None:
        return state.expanduser().absolute()
    settings_dir: Path = ctx.obj.settings.state_dir
    return settings_dir / "emulator"


def _quoted(value: str) -> str:
    """In single quotes, whatever it holds: every shell reads that as the text itself."""
    return "'" + value.replace("'", "'\"'\"'") + "'"
