# `make demo` and `make test` set up all that they need; a second call finds it in place.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PYTEST := pytest -n auto --dist worksteal

.PHONY: help setup ffmpeg slurm latex browser demo test quick coverage lowest lint docs results reference

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: ffmpeg .venv/.ready ## make .venv with the tested versions, and see to FFmpeg's libraries

# Remade when the dependencies change. uv is installed into it by pip where it is missing.
.venv/.ready: pyproject.toml constraints.txt
	@[ -x $(BIN)/python ] || if command -v uv >/dev/null; then uv venv --quiet --python $(PYTHON) .venv; \
		else $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; fi
	@uv=$$(command -v uv || echo $(BIN)/uv) && \
		$$uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@

# torchcodec decodes with FFmpeg's shared libraries, which no Python package brings.
ffmpeg:
	@if PATH="$$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q libavcodec || ls /opt/homebrew/lib/libavcodec* /usr/local/lib/libavcodec* >/dev/null 2>&1; \
	then exit 0; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; \
	then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null; \
	elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; \
	then sudo apt-get update -qq && sudo DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null; \
	elif command -v brew >/dev/null; then brew install --quiet ffmpeg; \
	else echo "error: FFmpeg's shared libraries are missing; install them (Debian: sudo apt-get install ffmpeg)" >&2; exit 1; fi

# The tests of sweeps on Slurm start a cluster of their own.
slurm: ## install Slurm and munge, for the tests that start a cluster (Debian, as root)
	@[ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/slurmd ] && [ -x /usr/sbin/munged ] || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null; }

latex: ## install pdflatex, for the tests that compile tables (Debian, as root)
	@command -v pdflatex >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends texlive-latex-recommended >/dev/null; }

# The tests of pages open them.
browser: ## install Chromium, for the tests that open pages (Debian, as root)
	@command -v chromium >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

demo: setup ## clnorm run --norm cn --strategy replay
	$(BIN)/clnorm run --norm cn --strategy replay

test: setup ## linters, types and the whole test suite
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/$(PYTEST)

quick: setup ## the tests without the slow ones: under a minute on two cores
	$(BIN)/$(PYTEST) -m "not slow"

coverage: setup ## the whole test suite, and which lines and branches it runs
	$(BIN)/$(PYTEST) --cov --cov-report=term

lowest: ffmpeg ## the quick tests with the lowest versions that pyproject.toml allows, in .venv-lowest
	@uv=$$(command -v uv || echo $(BIN)/uv) && $$uv venv --quiet --clear --python $(PYTHON) .venv-lowest && \
		$$uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct --editable '.[dev]'
	.venv-lowest/bin/$(PYTEST) -m "not slow" -W default::DeprecationWarning # old libraries warn of each other

lint: setup ## format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

results: setup ## all committed tables and figures, from the records beside them
	PATH="$$PWD/$(BIN):$$PATH" results/make.sh

reference: setup ## every run of the reference again, for days: make reference VIDEOS=FOLDER WEIGHTS=FILE
	PATH="$$PWD/$(BIN):$$PATH" results/reference/run.sh "$(VIDEOS)" "$(WEIGHTS)"

docs: .venv/.docs ## the documentation, into build/docs; a warning or a dead link is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs build/docs

.venv/.docs: .venv/.ready
	@uv=$$(command -v uv || echo $(BIN)/uv) && \
		$$uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[docs]'
	@touch $@
