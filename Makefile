# Four commands: serve, check (2 minutes), test (20 minutes), accept (the long runs).
# Python 3.11 and pip are enough to start; nothing here touches the system.

PYTHON ?= python3.11
STUDIES ?= demo
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
UV := $(VENV).uv/bin/uv
STAMP := $(VENV)/.installed
FUZZ := $(VENV).fuzz
FUZZ_STAMP := $(FUZZ)/.installed

# sam2 is published as source only: without this its build looks for a CUDA compiler.
export SAM2_BUILD_CUDA := 0

# As in sam_infer/__init__.py, for whatever imports torch first.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 3000

# A file's tests share servers and stay together, and some files too: see TOGETHER in tests/conftest.py.
# A browser, its archive and its server mostly wait for each other: on two cores one such group leaves more than one idle.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile
# Not even imported: every process would.
ELSEWHERE := --ignore tests/accept --ignore tests/client
BROWSERS := --numprocesses 3 --dist loadfile --no-loadscope-reorder

# Processes side by side fill the cores. Threads of small tensors wait for each other: twice the work for the same result.
check test: export OMP_NUM_THREADS := 1
check test: export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS := 1
# Empty is off: several processes import our modules and the tests, and each would compile them anew.
check test: export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup openvino serve check test accept figures format lock fuzz-lock viewer pictures clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  /'

setup: $(STAMP)  ## create .venv from requirements.lock

$(UV):
	$(PYTHON) -m venv $(VENV).uv
	$(VENV).uv/bin/python -m pip --quiet --disable-pip-version-check install uv==0.13.8

# The lock also pins what sam2's build needs, so that nothing unpinned runs during installation. Byte code is made here,
# once: where Python may not write it (PYTHONDONTWRITEBYTECODE), every process would compile half of what it imports.
$(STAMP): requirements.lock pyproject.toml | $(UV)
	[ -x $(BIN)/python ] || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --build-constraints requirements.lock requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

openvino: setup  ## what computes the encoders of SAM in half of the time; nothing needs it
	$(UV) pip install --quiet --python $(BIN)/python --no-deps openvino==2026.4.1

serve: setup  ## serve the app on a demo study (STUDIES=folder or DICOMweb address, PORT=8000)
	$(BIN)/samlabel serve --studies $(STUDIES) --port $(PORT)

check: setup  ## format, lint, types, tests that need no server and run no network at length
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q $(SIDE_BY_SIDE) --quick $(ELSEWHERE) -m "not slow and not client and not accept"

test: setup  ## everything but the long runs; what lacks a system package skips visibly
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q $(SIDE_BY_SIDE) $(ELSEWHERE) -m "not client and not accept"
	$(BIN)/pytest -q $(BROWSERS) -m "client and not accept" tests/client

# ONLY=train,clicks SHORT=1 KEEP=1 RESUME=1: see benchmarks/accept.py
ACCEPT := $(if $(ONLY),--only $(ONLY)) $(if $(SHORT),--short) $(if $(KEEP),--keep) $(if $(RESUME),--resume)

accept: setup $(FUZZ_STAMP)  ## run benchmarks/runs.toml and compare (ONLY=train, SHORT=1; KEEP=1 replaces, RESUME=1)
	$(BIN)/python benchmarks/accept.py $(ACCEPT)

figures: setup  ## fill in the figures of README and docs from benchmarks/results
	$(BIN)/python benchmarks/figures.py

format: setup  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(UV)  ## resolve requirements-dev.txt anew
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header requirements-dev.txt --output-file requirements.lock

# The fuzzer's needs are not ours: an environment of its own.
fuzz-lock: $(UV)  ## resolve requirements-fuzz.txt anew
	$(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --no-header requirements-fuzz.txt --output-file requirements-fuzz.lock

$(FUZZ_STAMP): requirements-fuzz.lock | $(UV)
	[ -x $(FUZZ)/bin/python ] || $(UV) venv --quiet --python $(PYTHON) $(FUZZ)
	$(UV) pip sync --quiet --require-hashes --python $(FUZZ)/bin/python requirements-fuzz.lock
	touch $@

viewer: setup  ## copy the OHIF extension from apps/ohif/src into the package
	$(BIN)/python -m samlabel.viewer.build

pictures: setup  ## take the documentation's pictures of the viewer again (chromium)
	SAMLABEL_PICTURES=docs/images $(BIN)/pytest -q -m client tests/client/test_ohif.py tests/client/test_drafts.py -k "list or two_readers"

clean:  ## remove environments and caches
	rm -rf $(VENV) $(VENV).uv $(FUZZ) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
