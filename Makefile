# Mason: `make help` lists the targets. Works with any POSIX sh.

SHELL  = /bin/sh
VENV   = .venv
BIN    = $(VENV)/bin
PIP    = $(BIN)/python -m pip
OUTPUT = runs/demo

# The first Python that runs and is new enough; `make PYTHON=/path/to/python3.12` overrides.
PYTHON = $(shell for python in python3.11 python3 python3.12 python3.13 python3.14 python; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
  { echo "$$python"; break; }; done)

.DEFAULT_GOAL = help
.PHONY: help install demo pretrain-demo test lint bench chaos clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

# pip is told torch's exact version first: asked for a range, it may fetch a build that
# carries several GB of CUDA where a CPU build is at hand.
$(VENV)/.installed: pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
	  echo "Mason needs Python 3.11 or newer and found none; install it, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; fi
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "Python cannot make a virtual environment; on Debian or Ubuntu install the package python3-venv." >&2; \
	  exit 1; }
	@echo "Installing Mason into $(VENV); the first time takes a minute or two"
	@$(PIP) install -qq --disable-pip-version-check -c constraints.txt torch==2.13.0 setuptools
	@$(PIP) install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-page: $(VENV)/.installed
	@echo "Installing what makes a page of a model"
	@$(PIP) install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[onnx]' \
	  && touch $@ || echo "They cannot be had now; everything else goes on without a page" >&2

# seqeval comes as source, whose build asks setuptools-scm for its version.
$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools that test Mason"
	@$(PIP) install -qq --disable-pip-version-check -c constraints.txt setuptools-scm
	@$(PIP) install -qq --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

install: $(VENV)/.installed ## make the environment alone
	@echo "Mason is installed: $(BIN)/mason --help"

demo: $(VENV)/.installed-page ## fine-tune a small model on questions, write its report and a page to try it
	@$(BIN)/mason train --task classification --model all-MiniLM-L6-v2 --data catalog:trec \
	  --output $(OUTPUT)
	@$(BIN)/mason export $(OUTPUT) $(OUTPUT)-page --format page || true

pretrain-demo: $(VENV)/.installed ## raw text to a model of its own, and what it is worth; 45 minutes
	@$(BIN)/python -m benchmarks.pretrain_demo

lint: $(VENV)/.installed-dev ## style, types and the order of the rooms
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/clang-format --dry-run --Werror src/mason/layers/native/kernels/*
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo --no-cache

test: lint ## the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist worksteal -q $(PYTEST_OPTIONS)

bench: $(VENV)/.installed-dev ## side-by-side measurements; minutes to hours
	@$(BIN)/python -m benchmarks

chaos: $(VENV)/.installed-dev ## kills, full disks and corrupt files
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m chaos

clean: ## remove the environment, caches and runs
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist runs
