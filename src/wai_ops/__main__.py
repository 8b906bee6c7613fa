"""The entry point. What can be answered without importing anything is answered here."""

import sys

_HELP_FLAGS = ("--help", "-h")


def main() -> None:
    """Run `wai` with the process's arguments, and exit with the command's code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from wai_ops._version import __version__

        _finish(f"wai {__version__}\n")
    elif arguments and arguments[-1] in _HELP_FLAGS and (page := _help_page(arguments[:-1])):
        _finish(page)
    else:
        from wai_ops.cli.process import run_process

        run_process(arguments)


def _help_page(path: list[str]) -> str | None:
    """The generated help page of a command, read as a file: no parser needs to be built for it."""
    if not all(part.replace("-", "").isalpha() for part in path):
        return None
    name = ".".join(["wai", *path])
    try:
        with open(f"{__file__.rpartition('/')[0]}/cli/help/{name}.txt", encoding="utf-8") as page:  # noqa: PTH123 - pathlib costs start-up time
            return page.read()
    except OSError:
        return None


def _finish(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        import os

        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"wai: error: cannot write: {error.strerror}\n")
        os._exit(141 if isinstance(error, BrokenPipeError) else 6)


if __name__ == "__main__":
    main()
