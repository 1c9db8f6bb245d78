# Every command sets up what it needs, in this folder, and does so again only when the requirements change.
# Written for GNU make 3.81 (macOS) and later.

# The Python that the environments are made with: python3, or the newest of python3.11 to python3.14 that is found.
PYTHON ?=
# With 1 the environments get PyTorch too (its default build), and the tests that need it run: make test WITH_TORCH=1
# Where it is installed it stays, until a command is told WITH_TORCH= (nothing).
WITH_TORCH ?= $(if $(wildcard .venv/lib/python*/site-packages/torch/__init__.py),1)
# Passed on to the command: make demo ARGS=--once, make test ARGS="-k ranked"
ARGS ?=

# The environments, and a stamp in each that says it is complete. What is installed has paths in it, so a stamp is good
# only for the folder, and the Python, that it was made for.
HERE := $(shell printf %s "$(CURDIR) $(PYTHON) $(WITH_TORCH)" | cksum | cut -d' ' -f1)
READY := .venv/ready-$(HERE)
READY_LOWEST := .venv-lowest/ready-$(HERE)
READY_BASE := .venv-base/ready-$(HERE)

BIN := .venv/bin
# On all cores, each file of tests on one: what a file shares (a server, a fitted model) is made once.
PYTEST := -m pytest --numprocesses auto --dist loadfile
PACKAGES := explanation_client server_plugin
QUIETLY := sh scripts/quietly.sh
SET_UP := WITH_TORCH=$(WITH_TORCH) sh scripts/environment.sh
SET_UP_INPUTS := pyproject.toml scripts/environment.sh requirements/uv.txt requirements/torch.txt
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup demo stack test test-unit test-long test-lowest test-base check check-format check-lint check-types \
	check-imports check-tree check-front-end front-end screenshots format bench lock clean

help:  ## show this list
	@echo "Commands (each sets up what it needs in this folder; ARGS=... is passed on):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: $(READY)  ## only set up the environment .venv

demo: $(READY)  ## server, training run, upload, download, end to end (ARGS=--once: do not keep serving)
	@$(BIN)/python examples/demo.py $(ARGS)

stack: $(READY)  ## PostgreSQL, an S3-compatible store and mlflow server until Ctrl-C (ARGS="--folder DIR", --once)
	@$(BIN)/python -m scripts.stack $(ARGS)

test: check  ## all checks, then all tests
	@$(BIN)/python $(PYTEST) $(ARGS)

test-unit: $(READY)  ## the fast tests alone
	@$(BIN)/python $(PYTEST) tests/unit tests/properties tests/test_repository.py $(ARGS)

test-long: $(READY)  ## the long forms of the kill, fault and property tests
	@EXPLANATION_CLIENT_LONG=1 $(BIN)/python $(PYTEST) -m "long or not integration" --timeout 3600 $(ARGS)

# -W default: the old versions warn of each other, and nothing here could mend that.
test-lowest: $(READY_LOWEST)  ## the fast tests with the oldest versions that pyproject.toml allows
	@.venv-lowest/bin/python $(PYTEST) tests/unit tests/properties -W default $(ARGS)

test-base: $(READY) $(READY_BASE)  ## the tests marked "base" in an environment without any extra
	@SERVER_PYTHON="$(CURDIR)/$(BIN)/python" .venv-base/bin/python -m pytest -m base $(ARGS)

# All of them run, whichever fails.
check: $(READY)  ## format, lint, types, import contracts, what files must not contain
	@$(MAKE) --no-print-directory --keep-going check-format check-lint check-types check-imports check-tree \
		check-front-end

check-format: $(READY)
	@$(QUIETLY) "format (make format mends it)" $(BIN)/ruff format --check --output-format concise .

check-lint: $(READY)
	@$(QUIETLY) lint $(BIN)/ruff check .

check-types: $(READY)
	@$(QUIETLY) types $(BIN)/mypy $(PACKAGES) scripts/stack

check-imports: $(READY)
	@$(QUIETLY) "import contracts" $(BIN)/lint-imports

check-tree: $(READY)
	@$(QUIETLY) "tracked files" $(BIN)/python scripts/check_tree.py

check-front-end:
	@$(QUIETLY) "front end" sh scripts/check_front_end.sh

front-end:  ## build the dashboard and the tracking server's pages (needs npm; what is built is committed)
	@npm --prefix explanation_client/dashboard/js --no-audit --no-fund --loglevel=error ci
	@npm --prefix explanation_client/dashboard/js --loglevel=error run --silent build
	@node server_plugin/js/build.mjs

screenshots: $(READY)  ## pictures of the dashboard in each of its hosts, light and dark (needs Chromium)
	@$(BIN)/python scripts/screenshots.py $(or $(ARGS),screenshots)

format: $(READY)  ## format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

bench: $(READY) .peers/ready  ## run the benchmarks in their quick form (ARGS= for the full one)
	@PYTHONPATH=.peers $(BIN)/python scripts/bench.py $(if $(filter undefined file,$(origin ARGS)),--quick,$(ARGS))

# Run once more after adding a dependency; make lock ARGS=--upgrade moves to the newest versions.
lock: $(READY)  ## write the hashed requirements again from pyproject.toml
	@$(COMPILE) --extra all --extra s3 --extra postgresql --group dev pyproject.toml --output-file requirements/dev.txt
	@$(COMPILE) --group test pyproject.toml --output-file requirements/base.txt
	@$(COMPILE) --no-annotate --extra server --extra s3 --extra postgresql --group build pyproject.toml \
		--output-file requirements/server.txt
	@$(COMPILE) --no-annotate --extra serve --group build pyproject.toml --output-file requirements/scoring.txt
	@$(COMPILE) --resolution lowest-direct --extra all --extra s3 --extra postgresql --group test --group models \
		pyproject.toml --output-file requirements/lowest.txt
	@$(COMPILE) --no-annotate --no-deps requirements/peers.in --output-file requirements/peers.txt
	@echo uv | $(COMPILE) --no-annotate - --output-file requirements/uv.txt

clean:  ## remove the environments, caches and the data of the demo and the stack
	rm -rf .venv .venv-lowest .venv-base .peers .demo .stack build dist .coverage
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What benchmarks compare with and nothing else needs: beside the environment, and without what it would change there.
.peers/ready: $(READY) requirements/peers.txt
	@rm -rf .peers
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target .peers --no-deps --require-hashes \
		--requirement requirements/peers.txt
	@touch $@

$(READY): requirements/dev.txt $(SET_UP_INPUTS)
	@$(SET_UP) .venv requirements/dev.txt $@ $(PYTHON)

$(READY_LOWEST): requirements/lowest.txt $(SET_UP_INPUTS)
	@$(SET_UP) .venv-lowest requirements/lowest.txt $@ $(PYTHON)

$(READY_BASE): requirements/base.txt $(SET_UP_INPUTS)
	@WITH_TORCH= sh scripts/environment.sh .venv-base requirements/base.txt $@ $(PYTHON)
