# make demo [DATA=file]   everything, once, with a simulated world or a file of purchases
# make test               the checks below and all tests; PYTHON=3.12 chooses another Python
# make bench              measurements, each beside its floor or peer
# make check              ruff, mypy --strict, layering
# make docs               write docs/cli.md and docs/settings.md anew from the code
# make clean              remove caches and the demo's data; your own data in .rapport/ stays

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help sync demo test test-slow bench check docs clean

PYTHON ?=
DATA ?=
export UV_PROJECT_ENVIRONMENT := $(if $(PYTHON),.cache/venv-$(PYTHON),.venv)
BIN := $(UV_PROJECT_ENVIRONMENT)/bin
COMPILED := $(UV_PROJECT_ENVIRONMENT)/.engine-compiled

help:
	@sed -n 's/^# //p' Makefile

sync:
	@uv=$$(deploy/find-uv.sh)
	[ -x $(BIN)/rapport ] || echo "installing the locked dependencies into $(UV_PROJECT_ENVIRONMENT) (minutes, the first time)" >&2
	"$$uv" sync --frozen --quiet --compile-bytecode $(if $(PYTHON),--python $(PYTHON))
	$(MAKE) -s $(COMPILED)

# The engine is compiled once, not by each process at its first event.
$(COMPILED): $(wildcard src/rapport/windows/*.py src/rapport/online/*.py) uv.lock
	@echo "compiling the feature engine (half a minute, once)" >&2
	$(BIN)/python -m rapport.windows
	$(BIN)/python -m rapport.online
	touch $@

demo: sync
	@$(BIN)/rapport demo $(if $(DATA),--data "$(DATA)")

check: sync
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy --no-error-summary
	$(BIN)/pytest -q --no-header --no-summary tests/test_layering.py >/dev/null || { $(BIN)/pytest -q tests/test_layering.py; exit 1; }

test: check
	@$(BIN)/pytest -m "not slow" -n auto --dist loadfile -q

test-slow: sync
	@$(BIN)/pytest -m slow

bench: sync
	@$(BIN)/python -m benchmarks

docs: sync
	@$(BIN)/python -m rapport.cli.reference

clean:
	@rm -rf .mypy_cache .ruff_cache .hypothesis .cache .rapport/demo
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.ONESHELL:
