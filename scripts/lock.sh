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
    "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --output-file "requirements/$output" "$@"
}

# The widest set decides the versions; the smaller ones repeat them.
compile test.txt --extra local --extra test pyproject.toml requirements/build.in "$@"
compile local.txt --extra local -c requirements/test.txt pyproject.toml
compile core.txt -c requirements/test.txt pyproject.toml
compile viz.txt --extra viz -c requirements/test.txt pyproject.toml
compile build.txt -c requirements/test.txt requirements/build.in
compile ecosystem.txt --extra local --extra test -c requirements/test.txt pyproject.toml \
    requirements/build.in requirements/ecosystem.in
compile lock.txt requirements/lock.in "$@"
