# Two commands do everything on a fresh machine: `make run` and `make test`. Python 3.11 and pip are all they need.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PATHS := app core db training tests benchmarks static

.PHONY: help run test check fmt bench screenshots clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

run: $(VENV)/.installed ## install, migrate, load the starter set, serve on 127.0.0.1:7860
	@$(BIN)/subtext serve

test: $(VENV)/.installed-dev ## all tests (browser tests need chromium; they say so when it is missing)
	@$(BIN)/python -m pytest

check: $(VENV)/.installed-dev ## lint, format, types, arrows between the rooms
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/pyright
	@$(BIN)/lint-imports

fmt: $(VENV)/.installed-dev ## repair what `make check` can repair
	@$(BIN)/ruff check --fix $(PATHS)
	@$(BIN)/ruff format $(PATHS)

bench: $(VENV)/.installed-dev ## the benchmarks; each prints its ratio
	@$(BIN)/python -m benchmarks.importing
	@$(BIN)/python -m benchmarks.reading
	@$(BIN)/python -m benchmarks.starting
	@$(BIN)/python -m benchmarks.painting
	@$(BIN)/python -m benchmarks.rating
	@$(BIN)/python -m benchmarks.simulation

screenshots: $(VENV)/.installed-dev ## the pictures of README, from a fresh starter set
	@$(BIN)/python -m tests.ui.screenshots

clean: ## remove the environment and caches, never the data
	@rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || python3 -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Subtext needs Python 3.11")'

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install --quiet --editable '.[dev,train]'
	@touch $@ $(VENV)/.installed
