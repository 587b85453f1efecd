# Twin Matcher. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install demo up test test-up test-all test-shuffled test-reversed fuzz bench bench-faces \
	bench-model bench-pairs bench-twins bench-gate bench-serve bench-fair bench-doors bench-impersonation bench-presentation bench-flow prove-flow prove-demo lint format docs build \
	lock audit sbom clean sample sample-report \
	pretrain

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
# The PyPI wheel of torch brings CUDA on Linux. For the small CPU build:
#   make install TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check install

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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

# Four groups of tests at a time, mostly a file each: much of their time is spent waiting for
# processes. In order, so that the long ones are not the last.
PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder

# PYTEST holds more arguments: make test PYTEST=twin_matcher_dagster_tests/storage
RUN_TESTS = $(BIN)/python -m pytest $(PARALLEL)
# Branches are measured where all tests run. COVER= leaves it out: a training then takes a fifth less.
COVER ?= $(if $(PYTEST),,--cov --cov-report=term)

test: $(VENV)/installed-dev ## Run the tests, and list what they do not cover.
	$(RUN_TESTS) -m "not slow" $(COVER) $(PYTEST)

test-up: $(VENV)/installed-dev ## Run 'up' as a whole: a release is made, and a newcomer comes in (four minutes).
	$(BIN)/python -m pytest twin_matcher_dagster_tests/end_to_end/test_up.py -k takes_a_newcomer_in $(PYTEST)

test-all: $(VENV)/installed-dev ## Run the tests, the long ones too.
	$(RUN_TESTS) $(PYTEST)

# The order is drawn from a seed, which pytest prints. PYTEST=--random-order-seed=SEED repeats it.
test-shuffled: $(VENV)/installed-dev ## Run the tests in random order.
	$(RUN_TESTS) -m "not slow" --random-order $(PYTEST)

test-reversed: $(VENV)/installed-dev ## Run the tests last to first.
	$(RUN_TESTS) -m "not slow" --reverse $(PYTEST)

# The default profile by name: in CI, Hypothesis takes one that draws the same inputs every time.
ROUNDS ?= 5
fuzz: $(VENV)/installed-dev ## Run the property tests on inputs drawn anew, ROUNDS times (5).
	@for round in $$(seq $(ROUNDS)); do \
		seed=$$RANDOM; echo "== Round $$round of $(ROUNDS): --hypothesis-seed=$$seed"; \
		$(RUN_TESTS) -m hypothesis --hypothesis-profile=default --hypothesis-seed=$$seed \
			$(PYTEST) || exit 1; \
	done

bench: $(VENV)/installed ## Measure, each claim beside its alternative.
	@failed=0; for script in $(filter-out %/bench_model.py %/bench_flow.py %/bench_serve.py %/bench_impersonation.py %/bench_presentation.py,$(wildcard benchmarks/bench_*.py)); do \
		HAAR_PYTHON=$(wildcard $(HAAR_PYTHON)) $(BIN)/python $$script || failed=1; \
	done; exit $$failed

# The Haar cascade, which the clips' faces are measured against, needs OpenCV 4.
HAAR := benchmarks/haar
HAAR_PYTHON := $(HAAR)/.venv/bin/python

$(HAAR)/.venv/installed: $(HAAR)/requirements.txt
	$(PYTHON) -m venv $(HAAR)/.venv
	$(HAAR_PYTHON) -m pip --disable-pip-version-check install --no-deps -r $<
	@touch $@

bench-faces: $(VENV)/installed $(HAAR)/.venv/installed ## Measure faces out of clips, beside a Haar cascade (QUICK=1: less 4K).
	@HAAR_PYTHON=$(HAAR_PYTHON) $(BIN)/python benchmarks/bench_faces.py $(if $(QUICK),--quick)

bench-model: $(VENV)/installed ## Measure the model: people known and new, beside the alternatives (half an hour).
	@$(BIN)/python benchmarks/bench_model.py

bench-fair: $(VENV)/installed ## Measure false matches by kind of face, beside the alternatives (five minutes).
	@$(BIN)/python benchmarks/bench_fair.py

bench-twins: $(VENV)/installed ## Measure the twins of strangers, beside the alternatives (ten minutes).
	@$(BIN)/python benchmarks/bench_twins.py

bench-pairs: $(VENV)/installed ## Measure how alike long-lost twins are by other photos (five minutes).
	@$(BIN)/python benchmarks/bench_pairs.py

bench-doors: $(VENV)/installed ## Measure what a photo costs at the door, beside Pillow alone (two minutes).
	@$(BIN)/python benchmarks/bench_doors.py

bench-impersonation: $(VENV)/installed ## Measure which uploads made of several people are flagged (fifteen minutes).
	@$(BIN)/python benchmarks/bench_impersonation.py

bench-presentation: $(VENV)/installed ## Measure which photos held to a camera get a hint, beside the hint before (five minutes).
	@$(BIN)/python benchmarks/bench_presentation.py

bench-serve: $(VENV)/installed ## Measure the prediction page with 100,000 people, beside the page before (ten minutes).
	@$(BIN)/python benchmarks/bench_serve.py $(SERVE)

bench-gate: $(VENV)/installed ## Measure which models are refused, worse ones and others (ten minutes).
	@$(BIN)/python benchmarks/bench_gate.py

bench-flow: $(VENV)/installed-dev ## Measure upload to release, by stage, beside the pure work (five minutes).
	@$(BIN)/python benchmarks/bench_flow.py $(FLOW)

# FLOW holds arguments: make prove-flow FLOW="--kills 100 --uploads 50 --erasures 5 --seed 2"
FLOW ?=
prove-flow: $(VENV)/installed-dev ## Kill services while visitors come and go (FLOW="--help": sizes).
	@$(BIN)/python benchmarks/prove_flow.py $(FLOW)

INTERRUPTIONS ?= 20
prove-demo: $(VENV)/installed-dev ## Interrupt and kill the demo at INTERRUPTIONS moments (20).
	INTERRUPTIONS=$(INTERRUPTIONS) $(BIN)/python -m pytest -s twin_matcher_dagster_tests/end_to_end/test_demo.py \
		-k interrupted_goes_on $(PYTEST)

lint: $(VENV)/installed-dev ## Check style (ruff) and types (ty).
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check

format: $(VENV)/installed-dev ## Mend style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The documentation has an environment of its own: it reads the sources without importing them.
DOCS := .venv-docs

$(DOCS)/installed: requirements/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip --disable-pip-version-check install --no-deps --require-hashes -r $<
	@touch $@

docs: $(DOCS)/installed ## Build the documentation into site/; a broken link is an error.
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

build: $(VENV)/installed-dev ## Build the wheel and the source archive into dist/.
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

# One lock for Linux and macOS, Python 3.10 to 3.13. torch is left out (see above); opencv-python too:
# it needs libGL, and the headless build is the same module. Whoever only serves needs no hf-xet: it
# fetches large files of the Hub faster.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.10 --no-header --no-annotate \
	--generate-hashes --no-emit-package torch --no-emit-package opencv-python --quiet
# A lock keeps its versions unless pyproject.toml asks for others. UPGRADE=all takes the newest ones;
# UPGRADE=patch holds each at its major and minor version, with a file of constraints a lock.
UPGRADE ?=
RENEW = $(if $(UPGRADE),--upgrade) $(if $(filter patch,$(UPGRADE)),-c build/patch-$(1))
MINOR_VERSIONS := s/^([a-z0-9._-]+)==([0-9]+(\.[0-9]+)?)[^ ]*(( ;[^\]*[^ \])?).*/\1==\2.*\4/p

lock: $(VENV)/installed-dev ## Renew the locks (UPGRADE=patch or UPGRADE=all: with newer versions).
	@mkdir -p build
	@for lock in lock.txt dev.txt docs.txt; do \
		sed -nE '$(MINOR_VERSIONS)' requirements/$$lock > build/patch-$$lock; \
	done
	$(COMPILE) $(call RENEW,lock.txt) --extra embedded --extra openid --extra postgres pyproject.toml \
		-o requirements/lock.txt
	$(COMPILE) $(call RENEW,dev.txt) --extra embedded --extra openid --extra postgres --group dev pyproject.toml \
		-c requirements/lock.txt -o requirements/dev.txt
	$(COMPILE) $(call RENEW,docs.txt) --group docs -o requirements/docs.txt
	$(COMPILE) --group serve -c requirements/lock.txt --no-emit-package hf-xet \
		-o requirements/serve.txt

# dev.txt has all of lock.txt, and lock.txt all of serve.txt.
audit: $(VENV)/installed-dev ## Look up the locked versions in the advisories of PyPI.
	@mkdir -p build && echo '$(TORCH)' > build/torch.txt
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r build/torch.txt
	for name in dev docs; do \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements/$$name.txt; \
	done

sbom: $(VENV)/installed-dev ## Write down what an installation is made of, as CycloneDX, into build/.
	@mkdir -p build && { echo '$(TORCH)'; cat requirements/lock.txt; } > build/sbom.txt
	$(BIN)/cyclonedx-py requirements build/sbom.txt --pyproject pyproject.toml \
		--output-reproducible --of JSON -o build/sbom.cdx.json

# The sample is rendered by a program of its own, with an environment of its own.
CAST := tools/sample_cast
CAST_BIN := $(CAST)/.venv/bin

$(CAST)/.venv/installed: $(CAST)/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed to render the sample: make PYTHON=python3.11 sample")'
	$(PYTHON) -m venv $(CAST)/.venv
	$(CAST_BIN)/python -m pip --disable-pip-version-check install --no-deps -r $<
	@touch $@

sample: $(CAST)/.venv/installed ## Render the bundled sample anew (half an hour on 2 cores; stop and start it at will).
	$(CAST_BIN)/python $(CAST)/build.py
	$(CAST_BIN)/python $(CAST)/assemble.py

sample-report: $(CAST)/.venv/installed ## Measure the bundled sample: faces found, people told apart.
	@$(CAST_BIN)/python $(CAST)/report.py $(if $(REAL),--real $(REAL))

pretrain: $(CAST)/.venv/installed $(VENV)/installed ## Make the bundled backbone anew (five hours on 2 cores; stop and start it at will).
	$(CAST_BIN)/python $(CAST)/build.py --random 1170 --views 12
	$(BIN)/python tools/pretrain/pretrain.py --renders $(CAST)/work/renders

clean: ## Forget the local state: objects, releases, Dagster's history. Keeps .venv.
	@if [ -x $(BIN)/twin-matcher ]; then $(BIN)/twin-matcher clean; else rm -rf .twin-matcher; fi
