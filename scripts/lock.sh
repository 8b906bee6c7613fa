#!/bin/sh
# Write requirements/*.txt: every package of every extra, one version for all of them, with hashes,
# for every supported Python and platform. Usage: scripts/lock.sh [UV] [--upgrade]
set -eu
uv=${1:-uv}
[ $# -eq 0 ] || shift
cd "$(dirname "$0")/.."

compile() {
    output=$1
    shift
    "$uv" pip compile --quiet --universal --generate-hashes --python-version "$python" \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --output-file "requirements/$output" "$@"
}

python=3.11
# The widest set decides the versions; the smaller ones repeat them.
compile test.txt --extra local --extra viz --extra s3 --extra tokenizers --extra mcp --extra test pyproject.toml \
    requirements/build.in "$@"
compile local.txt --extra local -c requirements/test.txt pyproject.toml
compile core.txt -c requirements/test.txt pyproject.toml
compile viz.txt --extra viz -c requirements/test.txt pyproject.toml
compile s3.txt --extra s3 -c requirements/test.txt pyproject.toml
compile tokenizers.txt --extra tokenizers -c requirements/test.txt pyproject.toml
compile mcp.txt --extra mcp -c requirements/test.txt pyproject.toml
compile build.txt -c requirements/test.txt requirements/build.in
compile ecosystem.txt --extra local --extra viz --extra s3 --extra tokenizers --extra mcp --extra test -c requirements/test.txt \
    pyproject.toml requirements/build.in requirements/ecosystem.in
compile lock.txt requirements/lock.in "$@"
# The FOCUS validator lives in a virtual environment of its own, with a Python of its own.
python=3.12
compile focus.txt requirements/focus.in "$@"
