# `make help` lists the targets. Everything runs in .venv, which the first of them creates.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help venv demo test lint types check format clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

venv: $(READY)  ## Create .venv with the package, its tests and tools

$(READY): pyproject.toml scripts/install.sh
	PYTHON="$(PYTHON)" sh scripts/install.sh "$(VENV)"
	touch $@

demo: $(READY)  ## Prepare, train, evaluate and speak: about seven minutes on a CPU, nothing but Python packages downloaded
	BIN="$(BIN)" sh scripts/demo.sh

test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest -q -n auto --dist worksteal

lint: $(READY)  ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## Check types
	$(BIN)/mypy

check: test lint types  ## All checks, as CI runs them

format: $(READY)  ## Mend style and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what runs, builds and caches left; .venv stays
	rm -rf runs data build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
