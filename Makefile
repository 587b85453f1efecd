# Twin Matcher. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo up test test-all bench lint format lock clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
# The PyPI wheel of torch brings CUDA on Linux. For the small CPU build:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/installed ## Create .venv with everything the project runs on, pinned.

$(VENV)/installed: requirements/lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else "Python 3.10 to 3.13 is needed, %s is %d.%d. Choose another one: make PYTHON=python3.12 install" % (sys.executable, *sys.version_info[:2]))'
	@echo "== Installing into $(VENV); the first time this downloads about 1 GB."
	$(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) --no-deps --require-hashes -r requirements/lock.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt $(VENV)/installed
	$(PIP) --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/installed ## Run the whole job once: a clip goes in, the twins of a photo come out.
	@$(BIN)/twin-matcher demo

up: $(VENV)/installed ## Start S3, Dagster, the upload page and the prediction page, until Ctrl-C.
	@$(BIN)/twin-matcher up

test: $(VENV)/installed-dev ## Run the tests.
	$(BIN)/python -m pytest -m "not slow" $(PYTEST)

test-all: $(VENV)/installed-dev ## Run the tests, the long ones too.
	$(BIN)/python -m pytest $(PYTEST)

bench: $(VENV)/installed ## Measure, each claim beside its alternative.
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script; done

lint: $(VENV)/installed-dev ## Check style (ruff) and types (ty).
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check

format: $(VENV)/installed-dev ## Mend style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One lock for Linux and macOS, Python 3.10 to 3.13. torch is left out (see above); opencv-python too:
# it needs libGL, and the headless build is the same module.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.10 --no-header --no-annotate \
	--generate-hashes --no-emit-package torch --no-emit-package opencv-python --quiet

lock: $(VENV)/installed-dev ## Renew the locks from pyproject.toml.
	$(BIN)/$(LOCK) --extra embedded -o requirements/lock.txt
	$(BIN)/$(LOCK) --extra embedded --group dev -c requirements/lock.txt -o requirements/dev.txt

clean: ## Forget the local state: objects, releases, Dagster's history. Keeps .venv.
	@if [ -x $(BIN)/twin-matcher ]; then $(BIN)/twin-matcher clean; else rm -rf .twin-matcher; fi
