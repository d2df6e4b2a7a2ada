# The commands of this repository. Only Python 3.11 or newer, make and git have to be there; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVERS := .venv-provers
WORKERS ?= auto
LOCAL_LOCKS := requirements/local.txt
TEST_LOCKS := requirements/test.txt
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet --require-hashes

.DEFAULT_GOAL := help
.PHONY: help up demo test isolation provers lint requirements clean bench stuck faults crowd railway

help: ## this table
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(VENV)/.local-stamp ## start a whole stack with a demo site; Ctrl-C stops it (PORT=8000 asks for a port)
	@cd backend && exec ../$(BIN)/python -m devstack up

demo: $(VENV)/.local-stamp ## a sale from checkout to payout and what comes after it, on the running stack or one of its own
	@cd backend && exec ../$(BIN)/python -m devstack.demo

test: $(VENV)/.test-stamp ## all tests, in parallel, on servers of their own (WORKERS=2 to bound it)
	@$(BIN)/python -m pytest -n $(WORKERS)

isolation: $(VENV)/.test-stamp $(PROVERS)/.stamp ## every attempt to cross a site, as a table by kind
	@$(BIN)/python -m pytest -n $(WORKERS) --isolation

provers: $(PROVERS)/.stamp ## install pgrls and squawk, which isolation tests use (others skip them)

lint: $(VENV)/.test-stamp ## formatting, types, import contracts, migrations, deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy backend tests
	cd backend && ../$(BIN)/lint-imports --config ../pyproject.toml
	cd backend && DJANGO_SETTINGS_MODULE=config.settings.build ../$(BIN)/python -W "ignore:Got an error checking" manage.py makemigrations --check --dry-run
	$(BIN)/python .ci/check_deploy.py

bench: $(VENV)/.local-stamp ## what row security, idle sweepers, history and masses of releases cost, as ratios in one run
	@cd backend && exec ../$(BIN)/python -m devstack.bench

stuck: $(VENV)/.local-stamp ## payouts that nobody heard of, through the Fireblocks sandbox, and the books afterwards (COUNT=10000)
	@cd backend && exec ../$(BIN)/python -m devstack.stuck

faults: $(VENV)/.local-stamp ## sales under faults at every step, and the books afterwards (SEED=, RUNS=100, ONLY=fault:step)
	@cd backend && exec ../$(BIN)/python -m devstack.faults

crowd: $(VENV)/.local-stamp ## more buyers than units, at once, and the books afterwards (BUYERS=10000, UNITS=1000, AT_ONCE=200, SEED=)
	@cd backend && exec ../$(BIN)/python -m devstack.crowd

railway: $(VENV)/.local-stamp ## build and deploy as Railway does, on this machine; a demo sale on it; a table of checks
	@cd backend && exec ../$(BIN)/python -m devstack.railway

requirements: $(VENV)/.test-stamp ## compile requirements/*.in into exact versions with hashes
	@for name in base production local test provers; do \
	  UV_CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

clean: ## forget the stack's data, the virtual environment and every cache
	@if [ -x $(BIN)/python ] && [ -d .devstack ]; then cd backend && ../$(BIN)/python -m devstack clean; fi
	rm -rf .devstack $(VENV) $(PROVERS) backend/staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find backend tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "POSX needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# A stamp is newer than what it was installed from, so that nothing is installed twice.
$(VENV)/.local-stamp: $(LOCAL_LOCKS) | $(BIN)/python
	@echo "Installing $(LOCAL_LOCKS)"
	@$(INSTALL) -r $(LOCAL_LOCKS)
	@touch $@

$(VENV)/.test-stamp: $(TEST_LOCKS) | $(BIN)/python
	@echo "Installing $(TEST_LOCKS)"
	@$(INSTALL) -r $(TEST_LOCKS)
	@touch $@ $(VENV)/.local-stamp

# Programs that prove isolation from outside; their own environment, as their dependencies are not ours.
$(PROVERS)/.stamp: requirements/provers.txt | $(BIN)/python
	@echo "Installing requirements/provers.txt"
	@test -x $(PROVERS)/bin/python || $(PYTHON) -m venv $(PROVERS)
	@$(PROVERS)/bin/python -m pip install --disable-pip-version-check --no-input --quiet --require-hashes -r $<
	@touch $@
