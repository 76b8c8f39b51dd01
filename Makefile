# Needs Linux, Python >= 3.11, git and make; everything else comes from PyPI, by hash.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet install --no-compile --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster test test-unit test-e2e test-cluster rig lint bench bench-alarms bench-policy dashboards format lock clean

help: ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.runtime ## see it work: about a minute, nothing left running (PROMETHEUS=1 with alerts; DEMO_FLAGS="--stay")
	@$(BIN)/v4-operator demo $(if $(PROMETHEUS),--prometheus) $(DEMO_FLAGS)

demo-cluster: rig ## the operator on a real control plane, step by step: seven minutes, nothing left running
	@$(BIN)/python -m tests.demo_cluster

test: $(VENV)/.dev ## everything that CI runs
	@$(BIN)/python tests/run.py all

test-unit: $(VENV)/.dev ## lint, types, contracts, unit and property tests
	@$(BIN)/python tests/run.py unit

test-e2e: $(VENV)/.dev ## the tests on a real control plane only
	@$(BIN)/python tests/run.py e2e

test-cluster: $(VENV)/.dev ## stories that take minutes each on a real control plane: scaling, drains, faults: half an hour
	@$(BIN)/python tests/run.py cluster

rig: $(VENV)/.dev ## build the control plane, Prometheus, Alertmanager and the drawing page for tests into the cache
	@$(BIN)/python -m tests.rig.build
	@$(BIN)/python -m tests.dashboards.build

dashboards: rig ## write the dashboards and their pictures anew
	@$(BIN)/python -m dashboards.source
	@$(BIN)/python -m tests.dashboards.pictures

lint: $(VENV)/.dev ## lint, types and import contracts only
	@$(BIN)/python tests/run.py lint

bench: $(VENV)/.dev ## measurements, as ratios side by side
	@$(BIN)/python tests/bench/parser.py
	@$(BIN)/python tests/bench/scrape.py
	@$(BIN)/python tests/bench/exposition.py
	@$(BIN)/python tests/bench/decision.py

bench-alarms: $(VENV)/.dev ## false alarms and incidents on every truth of the simulator: hours (BENCH_FLAGS="--hours 24 --incidents 200")
	@$(BIN)/python -m tests.bench.alarms $(BENCH_FLAGS)

bench-policy: $(VENV)/.dev ## every policy in every scenario (TRACES=folder of trace files): hours, goes on where it stopped
	@$(BIN)/python tests/bench/policy.py --resume --traces $(TRACES) $(BENCH_FLAGS)

format: $(VENV)/.dev ## what the formatter and the linter can mend
	@$(BIN)/ruff format operator tests dashboards
	@$(BIN)/ruff check --fix operator tests dashboards

lock: ## resolve the locks anew (needs uv)
	uv pip compile $(UV_FLAGS) pyproject.toml -o requirements.lock
	uv pip compile $(UV_FLAGS) --extra dev --extra simulate -c requirements.lock pyproject.toml -o requirements-dev.lock
	uv pip compile $(UV_FLAGS) requirements-build.in -o requirements-build.lock
	uv pip compile $(UV_FLAGS) --no-annotate tests/rig/requirements-go.in -o tests/rig/requirements-go.lock
UV_FLAGS := --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet

clean: ## remove what was built here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*

$(VENV)/.python:
	@echo "set up: virtual environment"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, found " + sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.python requirements.lock requirements-build.lock pyproject.toml
	@echo "set up: runtime packages"
	@$(PIP) -r requirements.lock
	@$(PIP) -r requirements-build.lock
	@$(BIN)/pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "set up: tools for tests"
	@$(PIP) -r requirements-dev.lock
	@touch $@
