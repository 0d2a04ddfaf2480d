.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The first Python 3.11 or newer that can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$p"; break; }; done)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SOURCES := setup.cfg pyproject.toml
TEST_PROCESSES ?= 3

# Every start of the program would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the commands
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed ## start the whole product with demo users and a demo service; Ctrl-C stops it
	@$(BIN)/idp-mfa demo

# Much of what tests do is wait: three processes keep two cores busy. What measures runs afterwards.
test: packages $(VENV)/installed-for-tests ## run every test (on Debian it first installs what they need)
	@failed=0; \
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0 -m 'not alone' || failed=$$?; \
	$(BIN)/python -m pytest -m alone || failed=$$?; \
	exit $$failed

lint: $(VENV)/installed-for-lint ## check style, types, import rules, security and generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive idp_mfa
	$(BIN)/python -m tests.project.state_diagram --check docs/architecture.md

fix: $(VENV)/installed-for-lint ## repair formatting and generated documents
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.project.state_diagram --write docs/architecture.md

bench: packages $(VENV)/installed-for-tests ## measure the sign-in: CPU milliseconds, sign-ins a second, memory
	$(BIN)/python -m tests.bench

soak: packages $(VENV)/installed-for-tests ## the long runs at full size: 200 kills and cuts, 50,000 sign-ins
	$(BIN)/python -m tests.soak

manual: packages $(VENV)/installed-for-tests ## write the illustrated manual of the site of SETTINGS=FILE into OUT=FOLDER
	$(BIN)/python -m tests.manual $(if $(SETTINGS),--settings "$(SETTINGS)") $(if $(OUT),--out "$(OUT)")

pictures: packages $(VENV)/installed-for-tests ## draw the pictures of docs/howto/help-desk.md anew
	$(BIN)/python -m tests.manual --desk --language en --sharpness 1 --out docs/images

mutants: $(VENV)/installed-for-mutants ## break the core in every small way, and list what no test notices
	$(BIN)/mutmut run
	$(BIN)/mutmut results

audit: $(VENV)/installed-for-audit ## look every installed package up among the known vulnerabilities
	$(BIN)/pip-audit --strict --skip-editable --path "$$($(BIN)/python -c \
		'import sysconfig; print(sysconfig.get_path("purelib"))')"

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

$(VENV)/installed-for-mutants: $(VENV)/installed-for-tests
	@$(PIP) install --editable '.[test,mutation]'
	@touch $@

$(VENV)/installed-for-audit: $(VENV)/installed
	@$(PIP) install --editable '.[audit]'
	@touch $@

.PHONY: help run test lint fix bench soak manual pictures mutants audit packages
