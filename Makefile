# make demo [DATA=file]   everything, once, with a simulated world or a file of purchases
# make test               the checks below and all tests; PYTHON=3.12 chooses another Python
# make chaos [KILLS=200] [EVENTS=2000000] [SEED=n] [MINUTES=n]
#                         the flow and Redis killed and frozen while events come twice: nothing lost, nothing doubled
# make kafka              a Kafka broker to try things with, until Ctrl-C; says how to use it
# make kafka-million [EVENTS=1000000] [SEED=n]
#                         five producers, five topics, workers and a broker that die: nothing lost, nothing doubled
# make surge [LASTS=60] [SEED=n] [SURGE="--kafka --straight"]
#                         ten times what can be taken, for a minute: nothing lost, memory bounded, worked off
# make faults [ROUNDS=20]
#                         each fault, each route: what is answered, how fast, and recovery, into docs/resilience.md
# make fuzz [EVENTS=1000000] [SEED=n]
#                         hostile events through the decoders of all formats: an event or its refusal comes out
# make schemathesis [CASES=20000] [SEED=n]
#                         requests drawn from the OpenAPI description: no answer that it does not know
# make nightly            what takes long: the oracle on 10,000 cases of each view, all tests with examples that are
#                         new each time, slow tests, engines and chaos
# make bench [PAGE=no]    measurements, each beside its floor or peer, into docs/performance.md unless PAGE=no
# make test-engines       the views on Spark and on Flink, the models in MLServer, KServe's client at our service, each in
#                         an environment of its own
# make check              ruff, mypy --strict, layering
# make docs               write docs/cli.md, docs/settings.md and the schemas of the policy anew from the code
# make clean              remove caches and the demo's data; your own data in .rapport/ stays

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help sync demo test test-slow test-engines engines chaos kafka kafka-million surge faults fuzz schemathesis nightly bench check docs clean

PYTHON ?=
DATA ?=
PAGE ?=
KILLS ?= 200
EVENTS ?= 2000000
SEED ?=
MINUTES ?=
CASES ?= 10000
LASTS ?= 60
ROUNDS ?= 20
# Tests that wait for servers leave a processor to others.
TESTERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
SURGE ?=
export UV_PROJECT_ENVIRONMENT := $(if $(PYTHON),.cache/venv-$(PYTHON),.venv)
# A project of many processes: none compiles what another one has.
unexport PYTHONDONTWRITEBYTECODE
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
	@$(BIN)/pytest -m "not slow" -n $(TESTERS) --dist loadgroup --no-loadscope-reorder -q

test-slow: sync
	@$(BIN)/pytest -m slow

chaos: sync
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --events $(EVENTS) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

kafka: sync
	@$(BIN)/python -m rapport.testing.run_kafka

kafka-million: sync
	@$(BIN)/python -m tests.kafka --events $(if $(filter command line,$(origin EVENTS)),$(EVENTS),1000000) $(if $(SEED),--seed $(SEED))

surge: sync
	@$(BIN)/python -m tests.surge --seconds $(LASTS) $(if $(SEED),--seed $(SEED)) $(SURGE)

faults: sync
	@$(BIN)/python -m tests.faults --rounds $(ROUNDS)

# EVENTS has chaos's default unless it is given.
fuzz: sync
	@$(BIN)/python -m tests.fuzz --events $(if $(filter file,$(origin EVENTS)),1000000,$(EVENTS)) $(if $(SEED),--seed $(SEED))

# CASES has the oracle's default unless it is given.
schemathesis: sync
	@$(BIN)/python -m tests.described --cases $(if $(filter file,$(origin CASES)),20000,$(CASES)) $(if $(SEED),--seed $(SEED))

nightly: sync
	@$(BIN)/pytest tests/oracle --cases $(CASES) -n auto -q
	$(BIN)/pytest -m "not slow" -n $(TESTERS) --dist loadgroup --no-loadscope-reorder -q --hypothesis-profile new-examples
	$(BIN)/pytest -m slow
	$(MAKE) test-engines chaos kafka-million surge fuzz
	$(MAKE) schemathesis CASES=20000
	$(BIN)/python -m tests.faults --no-page

engines:
	@for name in spark flink quix; do deploy/install-engine.sh "$$name"; done

test-engines: sync engines
	@$(BIN)/pytest -m engines -q

bench: sync
	@$(BIN)/python -m benchmarks $(if $(filter no,$(PAGE)),,--page)

docs: sync
	@$(BIN)/python -m rapport.cli.reference
	$(BIN)/rapport policy schema --write docs/schemas

clean:
	@rm -rf .mypy_cache .ruff_cache .hypothesis .cache .rapport/demo
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.ONESHELL:
