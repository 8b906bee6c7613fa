"""The group `wai prompts`. Its commands register themselves when `cli/prompts.py` imports them."""

from pathlib import Path

from wai_ops.cli.app import new_app
from wai_ops.config.settings import Settings

app = new_app("Freeze, review, release and compare prompts.")


@app.callback()
def prompts() -> None:
    """Freeze, review, release and compare prompts."""


def prompts_folder(settings: Settings, cwd: Path) -> Path:
    """The folder `prompts/`: beside `wai.yaml`, or in the current folder without one."""
    root = settings.config_file.parent if settings.config_file else cwd
    return root / "prompts"
