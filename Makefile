# Every target sets itself up on a machine with only Python and git. `make help` lists them.
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
# How often `make faults` runs each fault, and which ones (such as "F1 F9"); none means all.
RUNS ?= 3
FAULTS ?=
.PHONY: help up test check demo bench faults guards services format messages clean bootstrap

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

up: bootstrap ## Run everything with the demo project until Ctrl-C (CLOUDWIKI_PORT, CLOUDWIKI_DATA)
	@exec $(PYTHON) -m cloudwiki up

services: bootstrap ## Run PostgreSQL and Valkey alone, for manage.py in another terminal
	@exec $(PYTHON) -m cloudwiki services

test: bootstrap ## Run every test; what cannot run here is named at the end
	@$(PYTHON) scripts/run_checks.py test

check: bootstrap ## Formatting, types, templates, migrations, unit and web tests: under 90 s
	@$(PYTHON) scripts/run_checks.py check

demo: bootstrap ## Drive the demo deployment on a running `make up`; prints one JSON object
	@$(PYTHON) manage.py drive_demo

bench: bootstrap ## Measure against Fabric, Ansible and ssh; prints ratios
	@$(PYTHON) -m bench

faults: bootstrap ## Break a running installation in 20 ways, RUNS times each; counts what was lost (FAULTS="F1 F9")
	@$(PYTHON) -m tests.faults --limits --runs $(RUNS) $(FAULTS)

guards: bootstrap ## Take out each guard in a copy and show that the faults are noticed
	@$(PYTHON) -m tests.faults.guards

format: bootstrap ## Format Python
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format --quiet .

messages: bootstrap ## Bring locale/ up to date with the texts of the sources; lists what to translate (needs gettext)
	@$(PYTHON) scripts/messages.py collect

clean: ## Remove what can be made again; the data folder stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis staticfiles test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

bootstrap:
	@scripts/bootstrap
	@$(PYTHON) scripts/messages.py
