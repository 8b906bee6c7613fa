#!/bin/sh
# Print the path of a Python that can run this project, or say what is missing and exit 1.
# PYTHON=/path/to/python make ... chooses one by hand. Usage: find_python.sh [LEAST MINOR VERSION]

least=${1:-11}

good() {
    "$1" -c "import sys; sys.exit(sys.version_info < (3, $least))" >/dev/null 2>&1
}

# pyenv keeps more Pythons than the one that is on the PATH.
kept=
if [ "$least" -gt 11 ]; then
    kept=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-4].*/bin/python3 2>/dev/null) || kept=
fi

found=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 $kept}; do
    good "$candidate" || continue
    found=$candidate
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done

if [ -n "$found" ]; then
    echo "make: $found has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2
elif [ -n "$PYTHON" ]; then
    echo "make: PYTHON=$PYTHON is not a Python 3.$least or newer." >&2
else
    echo "make: no Python 3.$least or newer found (python3 is $(python3 --version 2>&1))." >&2
    echo "make: install one, or name it: make demo PYTHON=/path/to/python3.12" >&2
fi
exit 1
