# Everything that a developer runs. Each target makes the virtual environment that it needs.
#
#   make test PYTHON=python3.13 VENV=.venv313      the same suite on another Python

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What is handed on to pytest: make test ARGS="-k retry -x"
ARGS ?=

SOAK_CASES ?= 1000000

.PHONY: help install demo compiled newcomer test browser check bench soak lock clean

help:  ## this list
	@echo "thriftmesh: make TARGET   (PYTHON=$(PYTHON) VENV=$(VENV))"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' Makefile

install: $(STAMP)  ## the virtual environment with locked dependencies and the project in it

demo: $(STAMP)  ## a dev cluster, a few hundred trips over HTTP, a table, everything reconciled
	@$(BIN)/mesh up cluster.toml --run "$(abspath $(BIN))/python -m services.demo"

# The wheel as users get it, unpacked beside links to what it runs with here. `import mesh` finds it with PYTHONPATH.
COMPILED := build/compiled
$(COMPILED)/.built: $(STAMP) setup.py setup.cfg $(shell git ls-files -- 'mesh/*.py' 'mesh/*.thrift' 'mesh/*.tmpl' 2>/dev/null)
	@echo "building the wheel (a minute, where there is a C compiler for its hot modules)"
	@rm -rf $(COMPILED) build/wheel && mkdir -p $(COMPILED)
	@THRIFTMESH_COMPILE=$$(command -v "$${CC:-cc}" >/dev/null && echo yes || echo no) $(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w build/wheel .
	@$(BIN)/python -m zipfile -e build/wheel/thriftmesh-*.whl $(COMPILED)
	@for part in idl services bench tests; do ln -s ../../$$part $(COMPILED)/$$part; done
	@touch $@

# What a call goes through; run without the checkout's own folder on the path, so that `import mesh` is the wheel's.
HOT_TESTS := wire net call filters balance node testing

compiled: $(COMPILED)/.built  ## the wheel with compiled modules, unpacked in build/compiled

newcomer: $(COMPILED)/.built  ## docs/tutorial.md to the letter, with a wheel of this checkout in an empty environment
	@THRIFTMESH_WHEEL="$$(echo build/wheel/*.whl)" $(BIN)/python -m tests.newcomer $(ARGS)

test: $(COMPILED)/.built browser  ## the whole suite: units, integration with real processes and Consul (ARGS=... goes to pytest)
	@THRIFTMESH_WHEEL="$$(echo build/wheel/*.whl)" $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)
	@if [ -z '$(ARGS)' ] && ls $(COMPILED)/*.so >/dev/null 2>&1; then \
		echo "== the call's path once more, compiled"; \
		$(BIN)/pytest -n 2 --dist worksteal -o pythonpath=$(COMPILED) -m "not soak" $(addprefix tests/,$(HOT_TESTS)); \
	fi

browser:  ## Chromium, for the tests of /docs: installed by apt where it is missing (as root, on Debian and Ubuntu)
	@if command -v chromium chromium-browser google-chrome >/dev/null; then \
		echo "a browser is there: $$(command -v chromium chromium-browser google-chrome | head -1)"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium (some 110 MB)"; \
		apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium; \
	else \
		echo "no Chromium here, and it takes root and apt-get to install one (apt install chromium): the tests of /docs" \
			"will be skipped"; \
	fi

check: $(STAMP)  ## format, lint, types, import floors, unit tests: under a minute
	@echo "== format";        $(BIN)/ruff format --check .
	@echo "== lint";          $(BIN)/ruff check .
	@echo "== types";         $(BIN)/mypy --strict mesh services
	@echo "== import floors"; $(BIN)/lint-imports
	@echo "== unit tests";    $(BIN)/python -m pytest -n 2 --dist worksteal -m "not integration and not soak" $(ARGS)

bench: $(COMPILED)/.built  ## what a call costs, against a C floor and the peers: build/bench.json
	@cd $(COMPILED) && $(abspath $(BIN))/python -m bench $(ARGS)

soak: $(STAMP)  ## large counts and long runs, minutes: build/soak.json
	@THRIFTMESH_SOAK_CASES=$(SOAK_CASES) $(BIN)/python -m bench.soak $(ARGS)

lock:  ## resolve requirements-dev.txt anew from the ranges in setup.cfg
	@$(PYTHON) -m venv build/lock && build/lock/bin/pip install -q uv
	@build/lock/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --extra test --extra fast --extra bench \
		setup.cfg requirements-build.in -o requirements-dev.txt
	@git --no-pager diff --stat -- requirements-dev.txt

clean:  ## remove what was built; the virtual environment stays (rm -r $(VENV))
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path './.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# `ensurepip` is asked for first: where it is missing, `python3 -m venv` leaves half an environment behind.
$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { echo "make: no $(PYTHON) on PATH; say PYTHON=/path/to/python3.11 or later" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: thriftmesh needs Python 3.11 or later, $(PYTHON) is $$("$(PYTHON)" -V 2>&1); say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "make: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" -V)"
	@"$(PYTHON)" -m venv "$(VENV)"

# setuptools is locked like the rest, so the project is built with it and not with whatever is newest today. Its ordinary
# editable install is a finder that type checkers do not follow: in another folder mesh would have no types.
$(STAMP): requirements-dev.txt setup.cfg pyproject.toml Makefile | $(BIN)/python
	@echo "installing locked dependencies into $(VENV) (a minute or two the first time)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .
	@touch $@
