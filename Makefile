# Each of demo, test and check does its own set-up: a virtual environment in .venv, packages from
# the locked files with their hashes checked, then the project itself. Nothing else is touched.
# A second run does only what changed.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(shell find src completions -type f -not -name '*.pyc' 2>/dev/null)
CHECKED := src tests scripts benchmarks
NODE := $(VENV)/node
FOCUS := $(VENV)/focus
PYTEST_ARGS ?= -q -n auto

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test ecosystem focus check conformance lock format docs bench clean

help:  ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo $(VENV)/.project  ## Watch a real model answer, with every call recorded and priced.
	@sh examples/demo.sh "$(CURDIR)/$(BIN)/wai"

test: $(VENV)/.test $(VENV)/.project  ## Run the tests.
	$(BIN)/wai emulator fetch-model
	$(BIN)/python -m pytest $(PYTEST_ARGS)

ecosystem: $(VENV)/.ecosystem $(VENV)/.node $(VENV)/.project  ## Run other people's clients against the emulator.
	WAI_ECOSYSTEM_NODE_MODULES="$(CURDIR)/$(NODE)/node_modules" $(BIN)/python -m pytest -q \
		-W default -W ignore::ResourceWarning tests/ecosystem

focus: $(VENV)/.test $(VENV)/.focus $(VENV)/.project  ## Run the FinOps Foundation's validator over the FOCUS export.
	$(BIN)/python scripts/check_focus.py --validator $(FOCUS)/bin/focus-validator

check: $(VENV)/.test $(VENV)/.project  ## Check format, lint, types, import directions and generated files.
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate.py --check
	$(BIN)/python scripts/check_docs.py

format: $(VENV)/.test  ## Put the code into its format and mend what the linter can.
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)

docs: $(VENV)/.test  ## Write what is generated: help pages, docs/cli.md, completions, tutorial output.
	$(BIN)/python scripts/generate.py
	$(BIN)/python scripts/tutorial.py

bench: $(VENV)/.test $(VENV)/.project  ## Measure what the project promises (see docs/benchmarks.md).
	@missed=0; for script in benchmarks/*.py; do \
		echo "== $$script"; $(BIN)/python "$$script" || missed=1; done; exit $$missed

conformance: $(VENV)/.test $(VENV)/.project  ## Run the tests of Cloudflare's Python client against the emulator.
	@$(BIN)/python scripts/conformance.py

lock: $(VENV)/.lock  ## Write requirements/*.txt anew from pyproject.toml.
	sh scripts/lock.sh "$(BIN)/uv"

clean:  ## Remove the virtual environment and every cache.
	rm -rf $(VENV) .venv-conformance build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The test packages contain those of the demo, so that whoever ran the tests has both.
$(VENV)/.demo: $(VENV)/.base requirements/local.txt
	@test -f $(VENV)/.test || echo "Installing the packages of the demo (one minute or so) ..."
	@test -f $(VENV)/.test || $(PIP) install --require-hashes -r requirements/local.txt
	@touch $@

$(VENV)/.test: $(VENV)/.base requirements/test.txt
	@echo "Installing the packages for tests and checks ..."
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

$(VENV)/.lock: $(VENV)/.base requirements/lock.txt
	@$(PIP) install --require-hashes -r requirements/lock.txt
	@touch $@

$(VENV)/.ecosystem: $(VENV)/.test requirements/ecosystem.txt
	@echo "Installing other people's Python packages (300 MB) ..."
	@$(PIP) install --require-hashes -r requirements/ecosystem.txt
	@touch $@

# The validator has a Python and packages of its own: it needs 3.12, and holds to an older DuckDB.
$(VENV)/.focus: $(VENV)/.base requirements/focus.txt
	@echo "Installing the FOCUS validator (600 MB) ..."
	@python=$$(PYTHON= sh scripts/find_python.sh 12) && "$$python" -m venv $(FOCUS)
	@$(FOCUS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/focus.txt
	@touch $@

# Versions are exact in package.json. Nothing that comes along may run a script of its own.
$(VENV)/.node: $(VENV)/.base tests/ecosystem/node/package.json
	@echo "Installing wrangler and workerd (400 MB) ..."
	@mkdir -p $(NODE) && cp tests/ecosystem/node/package.json $(NODE)
	@cd $(NODE) && npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

# A normal install, not an editable one: that would cost every start an import hook.
$(VENV)/.project: $(VENV)/.base pyproject.toml README.md LICENSE $(SOURCES)
	@$(PIP) install --no-deps --no-build-isolation --force-reinstall .
	@touch $@

$(VENV)/.base: requirements/build.txt scripts/find_python.sh
	@python=$$(sh scripts/find_python.sh) && "$$python" -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements/build.txt
	@touch $@
