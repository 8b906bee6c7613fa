"""Every program that `wai` starts gets an environment that was thought of, by the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import wai_ops

ROOT = Path(wai_ops.__file__).parent
STARTERS = {
    "subprocess": {"run", "Popen", "call", "check_call", "check_output"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
}
NEVER = {"system", "popen", "execv", "execvp", "spawnv", "spawnvp", "posix_spawn"}
"""Of `os`: they inherit everything."""
HANDS_ON = {"runtime/tools/supervise.py"}
"""A process of its own, started with the environment of a tool, which it becomes."""


def calls(tree: ast.AST) -> Iterator[tuple[str, str, ast.Call]]:
    """The calls of a function of a module: the module's name, the function's, the call."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if isinstance(node.func.value, ast.Name):
            yield node.func.value.id, node.func.attr, node


def test_no_program_inherits_the_environment() -> None:
    """Without `env=` a child would get both tokens."""
    inherits: list[str] = []
    starts = 0
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for module, name, call in calls(tree):
            place = f"{path.relative_to(ROOT)}:{call.lineno}"
            if name in STARTERS.get(module, ()):
                starts += 1
                if not any(keyword.arg == "env" for keyword in call.keywords):
                    inherits.append(place)
            elif module == "os" and name in NEVER and place.partition(":")[0] not in HANDS_ON:
                inherits.append(place)
    assert inherits == []
    assert starts >= 4, "git twice, pip, tools: or this test looks for the wrong thing"


def test_nothing_starts_a_program_under_another_name() -> None:
    """The test above sees calls by the module's name alone."""
    hidden = [
        str(path.relative_to(ROOT))
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.ImportFrom) and node.module == "subprocess")
        or (
            isinstance(node, ast.Import)
            and any(a.name == "subprocess" and a.asname for a in node.names)
        )
    ]
    assert hidden == []
