# Plain `make` prints what can be done.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SCENARIO ?= cases

.PHONY: help
help: ## What can be done here
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
.DEFAULT_GOAL := help

$(READY): requirements-dev.txt pyproject.toml
	@echo "Setting up .venv (once; about half a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: $(READY) ## Five cities on this machine, no server: a case crosses two of them, a couple marries (DEMO_ONCE=1: end after it)
	@$(BIN)/tongban demo $(if $(DEMO_ONCE),--once)

.PHONY: test
test: $(READY) ## Everything: both backends, private RabbitMQ and PostgreSQL, house rules, journeys
	@$(BIN)/pytest

.PHONY: check
check: $(READY) ## Under 90 seconds: format, lint, types, import rules, law and house tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache
	@$(BIN)/pytest tests/house tests/contracts tests/*/test_rules*.py tests/subsidy/test_eligibility.py

.PHONY: servers
servers: $(READY) ## Private RabbitMQ and PostgreSQL under .run/, nothing else
	@$(BIN)/python -m deploy.servers start

.PHONY: up
up: $(READY) ## The cities on real servers: docker compose where there is an engine, else supervisor
	@$(BIN)/tongban up

.PHONY: down
down: $(READY) ## End what `make up` and `make servers` started
	@$(BIN)/tongban down
	@$(BIN)/python -m deploy.servers stop

.PHONY: bench
bench: $(READY) ## Speed as ratios against a bare baseline; writes docs/performance.md and docs/performance-520.md
	@$(BIN)/python -m tests.bench

.PHONY: chaos
chaos: $(READY) ## Kill everything, lose nothing: SCENARIO=cases or weddings, CASES=n (SABOTAGE=… must fail, see tests/chaos/sabotage.py)
	@$(BIN)/python -m tests.chaos $(SCENARIO) $(if $(CASES),--cases $(CASES)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

.PHONY: model
model: $(READY) ## Proof of the claims protocol: every reachable state, and every known mistake is found (a minute or two)
	@$(BIN)/python -m tests.model

.PHONY: contracts
contracts: $(READY) ## Write contracts/asyncapi.yaml and contracts/openapi.yaml anew
	@$(BIN)/python -m contracts.asyncapi > contracts/asyncapi.yaml
	@$(BIN)/tongban openapi > contracts/openapi.yaml
