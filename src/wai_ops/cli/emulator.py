"""`wai emulator`: run the local Cloudflare, point a shell at it, fetch its small real model."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from wai_ops.cli.app import new_app
from wai_ops.cli.options import JsonOption

app = new_app("Run a local Cloudflare for development and tests.")

StateOption = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIR", help="Its folder. Default: beside wai's own state."),
]


@app.command()
def serve(
    ctx: typer.Context,
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")
    ] = 0,
    state: StateOption = None,
    backend: Annotated[
        str,
        typer.Option(
            "--backend", metavar="NAME", help="scripted, smollm2, or the path of a GGUF file."
        ),
    ] = "scripted",
    json: JsonOption = False,
) -> None:
    """Serve Workers AI and AI Gateway on loopback until Ctrl-C.

    \b
    Examples:
      wai emulator serve
      wai emulator serve --backend smollm2 --port 8787
      wai emulator serve --state /tmp/cf --json
    """
    import sys

    from wai_ops.emulator.endpoint import Endpoint, to_json
    from wai_ops.emulator.server import serve as run_server

    state_dir = _state_dir(ctx, state)

    def announce(endpoint: Endpoint) -> None:
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

    run_server(state_dir, port=port, backend=backend, on_ready=announce)


@app.command()
def env(ctx: typer.Context, *, state: StateOption = None) -> None:
    """Print shell lines that point wai and other clients at the running emulator.

    \b
    Examples:
      eval "$(wai emulator env)"
      wai emulator env --state /tmp/cf
    """
    import sys

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
    values = {
        "CLOUDFLARE_ACCOUNT_ID": endpoint.account_id,
        "CLOUDFLARE_API_TOKEN": endpoint.tokens["runtime"],
        "WAI_OPERATOR_TOKEN": endpoint.tokens["operator"],
        "CLOUDFLARE_BASE_URL": endpoint.base_url,
        "CLOUDFLARE_AI_GATEWAY_BASE_URL": endpoint.gateway_base_url,
        "WAI_GATEWAY": endpoint.gateway_id,
    }
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


def _state_dir(ctx: typer.Context, state: Path | None) -> Path:
    if state is not None:
        return state.expanduser().absolute()
    settings_dir: Path = ctx.obj.settings.state_dir
    return settings_dir / "emulator"


def _quoted(value: str) -> str:
    """In single quotes, whatever it holds: every shell reads that as the text itself."""
    return "'" + value.replace("'", "'\"'\"'") + "'"
