.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The first Python 3.11 or newer that can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$p"; break; }; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SOURCES := setup.cfg pyproject.toml

help: ## list the commands
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start the whole product with demo users and a demo service; Ctrl-C stops it
	@$(BIN)/idp-mfa demo

test: packages $(VENV)/installed-for-tests ## run every test (on Debian it first installs what they need)
	$(BIN)/python -m pytest

lint: $(VENV)/installed-for-lint ## check style, types, import rules and generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.project.state_diagram --check docs/architecture.md

fix: $(VENV)/installed-for-lint ## repair formatting and generated documents
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.project.state_diagram --write docs/architecture.md

bench: packages $(VENV)/installed-for-tests ## measure the sign-in: CPU milliseconds, sign-ins a second, memory
	$(BIN)/python -m tests.bench

soak: packages $(VENV)/installed-for-tests ## the long runs at full size: 200 kills and cuts, 50,000 sign-ins
	$(BIN)/python -m tests.soak

packages: ## install the Debian packages that the tests need, or name what is missing
	@sh tests/debian_packages.sh

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "idp_mfa needs Python 3.11 or newer with venv" \
		"(on Debian: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(SOURCES) | $(BIN)/python
	@echo "Installing into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/installed-for-tests: $(SOURCES) | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) install --editable '.[test]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-for-lint: $(SOURCES) | $(BIN)/python
	@echo "Installing what the checks need into $(VENV) ..."
	@$(PIP) install --editable '.[test,lint]'
	@touch $@ $(VENV)/installed-for-tests $(VENV)/installed

.PHONY: help run test lint fix bench soak packages
