# Everything one does with crm-api. It needs Python 3.11, make and gcc, and nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run demo test check bench bench-large chaos fuzz openapi migration help

PYTHON ?= $(firstword $(foreach name,python3.11 python3 python,$(shell command -v $(name))))
BIN := .venv/bin
CRM := $(BIN)/crm
# Tests and benchmarks read the data sets from here; without the folder the tests that want them are skipped.
export CRM_TEST_DATA ?= $(wildcard $(abspath ../shared/data))

run: .venv/installed ## Start everything here and serve until Ctrl-C
	@$(CRM) up

demo: .venv/installed ## The same, with a year of a real grocer's trade loaded through the API
	@$(CRM) up --demo

test: .venv/installed ## Run all tests; they start the servers they need
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: .venv/installed ## Everything but the tests: format, lint, types, imports, the OpenAPI files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(CRM) openapi --check

bench: .venv/installed ## Measure this service beside the floor, at 10,000 and 100,000 customers
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-large: .venv/installed ## The same at 1,000,000 customers; takes long, goes on where it was with ARGS=--resume
	$(BIN)/python -m tests.benchmarks --large $(ARGS)

chaos: .venv/installed ## Kill the parts of the service while it sends a campaign, and print what the laws found
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: .venv/installed ## Look for answers the API should not give, far longer than the tests do
	CRM_FUZZ_COVERAGE=1 CRM_FUZZ_EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/pytest -n 2 tests/test_fuzz.py $(ARGS)

openapi: .venv/installed ## Write openapi/ anew from the code
	@$(CRM) openapi

migration: .venv/installed ## Start a migration: make migration NAME="add loyalty"
	@test -n "$(NAME)" || { echo 'Say what it does: make migration NAME="add loyalty"'; exit 2; }
	$(BIN)/alembic revision --message "$(NAME)"

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 is needed; found: $$("$(PYTHON)" --version 2>&1). Try: make PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "The venv module is missing; on Debian: apt-get install python3.11-venv"; exit 1; }
	@echo "Installing the locked packages into .venv (once; some minutes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
