# `make help` lists the targets. ARGS passes on arguments: make test ARGS="tests/invoicing -k rounding"
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests of both services wait often: four processes keep two cores busy.
PROCESSES ?= 4
TRAFFIC := $(abspath $(VENV)/traffic)

# Stamps lie inside .venv, so that a second run is quick and removing .venv removes them.
RUN := $(VENV)/stamp-run
DEV := $(VENV)/stamp-dev
PANGO := $(VENV)/stamp-pango

# The annexes of hours are set with Pango, which pip cannot install; Debian's packages are the same since 12.
PANGO_PACKAGES := $(shell cat Aptfile)
HAS_PANGO = $(BIN)/python invoicing/annexes/renderer.py --check 2>/dev/null
WITH_PANGO = $(HAS_PANGO) || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "Pango is missing; it is installed now." >&2 && apt-get update -q >/dev/null && apt-get install -qy --no-install-recommends $(PANGO_PACKAGES) >/dev/null && $(HAS_PANGO); } || { echo "Pango is missing, and annexes of hours cannot be made. Install it: apt-get install $(PANGO_PACKAGES)" >&2; exit 1; }

.PHONY: help demo test proof test-sqlite check bench bench-all planning first-sync neighbours fairness guarantee soak einvoice fuzz pictures lock format

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do printf '%-12s %s\n' "$$target" "$$text"; done

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "toggbill needs Python 3.11 or newer; $(PYTHON) is older or absent. Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "python3-venv is missing; it is installed now." >&2 && apt-get update -q >/dev/null && apt-get install -qy --no-install-recommends python3-venv >/dev/null; } || { echo "python3-venv is missing. Install it: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The environment .venv could not be made. Install its tools: apt-get install python3-venv" >&2; exit 1; }

$(RUN): requirements.lock | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	-@$(WITH_PANGO)
	@touch $@

$(DEV): requirements-dev.lock | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	-@$(WITH_PANGO)
	@touch $(RUN) $@

# What cannot be installed here is said, and only what needs it ends there.
$(PANGO): $(RUN)
	@$(WITH_PANGO)
	@touch $@

.venv: $(DEV)

demo: $(RUN) ## sandbox, main job and dashboard on this machine (ARGS="--port 8000")
	DEBUG=1 $(BIN)/python manage.py demo $(ARGS)

# What `make test` and `make proof` do in the same way. The traffic of both is kept, since it is all of it that uses each
# excuse of a specification and each call of the clients.
define run_tests
	@mkdir -p $(TRAFFIC); status=0; \
	SANDBOX_RECORD="$(TRAFFIC)" $(BIN)/python tests/services.py -- $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(1) || status=$$?; \
	$(if $(strip $(ARGS)),,echo "the recorded traffic against the vendors' specifications"; \
	SANDBOX_REPLAY="$(TRAFFIC)" DEBUG=1 $(BIN)/python -m pytest -q tests/specs/test_traffic.py -k $(2) || status=$$?;) \
	exit $$status
endef

test: $(DEV) ## the tests, on a private PostgreSQL and Redis
	@rm -rf $(TRAFFIC)
	$(call run_tests,$(or $(ARGS),-m "not slow"),keeps)

proof: $(DEV) ## the tests that take long: kills at every step, races, old databases, browsers, a site in production
	$(call run_tests,$(or $(ARGS),-m slow),$(if $(wildcard $(TRAFFIC)),"suite or needed",keeps))

test-sqlite: $(DEV) ## all tests, on SQLite and the broker of files
	$(BIN)/python tests/services.py --sqlite -- $(BIN)/python -m pytest -n $(PROCESSES) --dist worksteal $(ARGS)

check: $(DEV) $(PANGO) ## format, lint, types, imports, migrations, vulnerabilities, deployment (STRICT=1: advisories must answer)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/djangofmt --check templates
	DEBUG=1 $(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	env -u DATABASE_URL -u REDIS_URL DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pip --disable-pip-version-check check
	@$(BIN)/python -m pip_audit --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-audit.txt >/dev/null 2>&1 || true
	$(BIN)/python tests/advisories.py $(if $(STRICT),--strict) requirements.lock
	@echo "manage.py check --deploy, as in production"
	@secret() { $(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))'; }; \
	key() { $(BIN)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'; }; \
	env -u REDIS_URL DEBUG=0 SECRET_KEY="$$(secret)" FIELD_ENCRYPTION_KEYS="$$(key)" ALLOWED_HOSTS=toggbill.example \
		PUBLIC_URL=https://toggbill.example DATABASE_URL=postgresql://toggbill@127.0.0.1/toggbill \
		$(BIN)/python -W error manage.py check --deploy --fail-level WARNING

bench: $(DEV) ## figures of the main job, on a private PostgreSQL and Redis
	$(BIN)/python tests/services.py -- $(BIN)/python -m tests.benchmarks.main_job

planning: $(DEV) ## how many hours a second the rules plan, with ten agreements for each customer (ARGS="--entries 1000000")
	DEBUG=1 $(BIN)/python -m tests.benchmarks.planning $(ARGS)

first-sync: $(DEV) ## what a first reading costs, against a bare script that reads the same pages (ARGS="--entries 100000")
	$(BIN)/python tests/services.py -- $(BIN)/python -m tests.benchmarks.first_sync $(ARGS)

neighbours: $(DEV) ## what a firm of 1,000,000 hours costs, itself and beside a small one (ARGS="--entries 200000 --dossiers 100")
	$(BIN)/python tests/services.py -- $(BIN)/python -m tests.benchmarks.neighbours $(ARGS)

bench-all: bench planning first-sync guarantee neighbours fairness ## all figures, one after the other: not beside other work

fairness: $(DEV) ## what large neighbours cost a small firm that posts (ARGS="--firms 5 --posts 20 --invoices 200 --entries 5000")
	$(BIN)/python tests/services.py -- $(BIN)/python -m tests.benchmarks.fairness $(ARGS)

guarantee: $(DEV) ## what posting exactly once costs, against a bare loop that only posts
	$(BIN)/python tests/services.py --durable -- $(BIN)/python -m tests.benchmarks.guarantee $(ARGS)

soak: $(DEV) ## 50 firms under faults, killed workers and restarts of Redis (ARGS="--minutes 10")
	$(BIN)/python tests/services.py -- $(BIN)/python -m tests.benchmarks.soak $(ARGS)

einvoice: $(DEV) ## the checks of e-invoices against the official rules, over 2,000 drawn documents (E_INVOICES=10000)
	DEBUG=1 E_INVOICES=$(or $(E_INVOICES),2000) $(BIN)/python -m pytest -q -s tests/invoicing/rules/einvoice $(ARGS)

fuzz: $(DEV) ## two minutes of requests drawn from the vendors' specifications
	$(BIN)/python -m tests.specs.fuzz --seconds 120 $(ARGS)

pictures: $(DEV) $(PANGO) ## the pictures of README, taken of the demo anew
	$(BIN)/python -m tests.pictures

# One lock for every platform and every Python from 3.11 on: a requirement of some of them stands with its marker.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

lock: $(DEV) ## pins what requirements.txt and requirements-dev.txt bring along, with hashes (ARGS=--upgrade raises it)
	$(LOCK) $(ARGS) requirements.txt --output-file requirements.lock
	$(LOCK) $(ARGS) requirements-dev.txt --output-file requirements-dev.lock

format: $(DEV) ## formats code and templates and mends what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djangofmt templates
