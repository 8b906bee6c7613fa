"""Write the files that are generated from the command tree, or check that they are up to date.

    python scripts/generate.py           write them
    python scripts/generate.py --check   exit 1 and name each file that is stale

They are the help pages that `wai ... --help` prints without building a parser
(src/wai_ops/cli/help), the reference (docs/cli.md) and the shell completions (completions/).
"""

import sys
from pathlib import Path

from generator.completions import completion_files
from generator.model import completed_models, read_tree
from generator.reference import reference

ROOT = Path(__file__).resolve().parents[1]
GENERATED_FOLDERS = ("src/wai_ops/cli/help", "completions")


def generated_files() -> dict[str, str]:
    """Map the path of every generated file, relative to the project, to its text."""
    from wai_ops.cli.app import command_tree

    root = read_tree(command_tree())
    files = {
        f"src/wai_ops/cli/help/{'.'.join(command.path)}.txt": command.page
        for command in root.walk()
    }
    files["docs/cli.md"] = reference(root)
    for name, text in completion_files(root, completed_models()).items():
        files[f"completions/{name}"] = text
    return files


def stale_files(files: dict[str, str]) -> list[str]:
    """List what differs, is missing, or lies in a generated folder without being generated."""
    stale = [
        name
        for name, text in files.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text("utf-8") != text
    ]
    for folder in GENERATED_FOLDERS:
        present = (path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*"))
        stale += [name for name in present if name not in files]
    return sorted(stale)


def main() -> int:
    """Write, or check with --check; return the exit code."""
    # The tree itself, whatever copy of the package is installed beside it.
    sys.path.insert(0, str(ROOT / "src"))
    files = generated_files()
    stale = stale_files(files)
    if sys.argv[1:] == ["--check"]:
        for name in stale:
            print(f"{name}: not what the program says; run: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        path = ROOT / name
        if name in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[name], "utf-8")
            print(f"wrote {name}")
        else:
            path.unlink()
            print(f"removed {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
