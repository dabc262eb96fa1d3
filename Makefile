# Every target works on a machine with Python 3.11+, git and make: the environment is made here.
# uv is used when it is there, pip otherwise.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# As many tests at once as the machine has processors, those of one file after each other; JOBS=0: one by one, in one process.
JOBS   ?= logical
ATONCE := -n $(JOBS) --maxprocesses 8 --max-worker-restart 0 --dist loadfile

.PHONY: demo test test-fault test-fleet test-guard test-harness test-system matrix lint bench clean
.DEFAULT_GOAL := test

$(STAMP): pyproject.toml supervisor/__init__.py
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python '>=3.11' $(VENV) && \
	  uv pip install -q --python $(BIN)/python -e . --group dev; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit("leasehold needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)' && \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1' && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check -e . --group dev; \
	fi
	@touch $(STAMP)

demo: $(STAMP)           ## the morning of four racing sessions, twice: advisory, then under Leasehold
	@$(BIN)/leasehold demo

test: $(STAMP)           ## unit, property and process tests
	@$(BIN)/python -m pytest $(ATONCE) -m 'not system and not fault and not fleet and not guard and not harness'

test-fault: $(STAMP)     ## kills the supervisor and its workers at each named step and at random; FAULT=--fault-full
	@$(BIN)/python -m pytest -m fault tests/fault $(FAULT)

test-fleet: $(STAMP)     ## several sessions in one repository to the end: both isolations, integration, odd repositories
	@$(BIN)/python -m pytest $(ATONCE) -m fleet tests/process

test-guard: $(STAMP)     ## each way to a held file, a held branch and git's own files, by a real session
	@$(BIN)/python -m pytest $(ATONCE) -m guard tests/process

test-harness: $(STAMP)   ## real agents from npm and PyPI against a scripted model; HARNESS='--harness-only claude,codex'
	@$(BIN)/python -m pytest -o faulthandler_timeout=900 -m harness tests/harness $(HARNESS)

test-system: $(STAMP)    ## boots a real systemd in namespaces and runs the service in it; needs root
	@$(BIN)/python -m pytest -m system tests/system

matrix: $(STAMP)         ## tries every way to write to a held file; writes the table of docs/reference/guard.md
	@$(BIN)/python -m tests.process.guard_table

lint: $(STAMP)           ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)          ## beside peers and physical floors; ratios with spread
	@$(BIN)/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV)
