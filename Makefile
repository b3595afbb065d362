# The requirements are git, make and Python 3.11 or newer. Each target installs everything else that it needs, and
# repeats that only after an input changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export REFLEX_USE_NPM := 1
export REFLEX_TELEMETRY_ENABLED := false
# Without bytecode each start of a process compiles every module.
unexport PYTHONDONTWRITEBYTECODE
# Arguments of pytest for `make test` (T=tests/unit); seconds for `make soak` (T=600).
T ?=
# Seed of an earlier soak, whose schedule of faults `make soak` repeats.
SEED ?=
# Arguments of `make lighthouse` (L="--runs 1 --only home").
L ?=
# Arguments of `make bench` (B=--quick, B="--only ceiling,mix --seconds 10", B="--against main").
B ?=
# Arguments of `make crowd` (C="--browsers 200 --seconds 20 --rate 10").
C ?=

# Three processes share all tests. Tests with the same mark `xdist_group` run in the same process.
TEST_ALL := --numprocesses 3 --dist loadgroup

INSTALLED := $(VENV)/.installed
WEB_BUILT := .web/.built
# The JavaScript tools: linter, type checker, axe-core and Lighthouse.
TOOLS := tests/webapp/tools
TOOLS_INSTALLED := $(TOOLS)/node_modules/.installed
# The linter of SQL needs several times as long as the others, so it runs only after a change of its inputs.
SQL_LINTED := $(VENV)/.sql-linted
SQL_INPUTS := pyproject.toml $(INSTALLED) $(wildcard sql/migrations/*.sql sql/queries/*.sql) sql/privileges.sql
WEB_INPUTS := rxconfig.py .npmrc $(INSTALLED) $(shell find webapp assets reflex.lock -type f -not -name '*.pyc' 2>/dev/null)

# The lock is on this file, which always exists. It ends with its process.
SET_UP_ALONE = $(PYTHON) -c 'import fcntl, subprocess, sys; file = open("Makefile"); fcntl.flock(file, fcntl.LOCK_EX); \
	sys.exit(subprocess.call(sys.argv[1:]))' $(MAKE) --silent ALONE=1

.DEFAULT_GOAL := help

##@ Run

.PHONY: run
run: $(INSTALLED) $(WEB_BUILT) ## Run the whole system: PostgreSQL, migrations, seed, API and web app
	@exec $(BIN)/python -m api run

.PHONY: api
api: $(INSTALLED) ## Run the API
	@exec $(BIN)/python -m api serve

.PHONY: web
web: $(INSTALLED) $(WEB_BUILT) ## Run the web app
	@exec $(BIN)/python -m webapp

.PHONY: staff
staff: $(INSTALLED) $(WEB_BUILT) ## Run the server of the staff pages
	@exec $(BIN)/python -m webapp staff

.PHONY: worker
worker: $(INSTALLED) ## Run the background worker
	@exec $(BIN)/python -m api worker

.PHONY: psp
psp: $(INSTALLED) ## Run the payment simulator
	@exec $(BIN)/python -m api psp

.PHONY: mailbox
mailbox: $(INSTALLED) ## Run the mailbox for development, which shows the e-mails that it gets
	@exec $(BIN)/python -m api mailbox

##@ Database

.PHONY: migrate
migrate: $(INSTALLED) ## Apply the missing migrations
	@exec $(BIN)/python -m api migrate

.PHONY: seed
seed: $(INSTALLED) ## Load the default inventory (safe to repeat)
	@exec $(BIN)/python -m api seed

.PHONY: audit
audit: $(INSTALLED) ## Check the invariants of the database
	@exec $(BIN)/python -m api audit

.PHONY: reconcile
reconcile: $(INSTALLED) ## Compare the payment provider's payments and refunds with the database
	@exec $(BIN)/python -m api reconcile

.PHONY: schema
schema: $(INSTALLED) ## Generate sql/schema.sql after a change of the migrations
	@made=$$(mktemp -d) && trap 'rm -rf "$$made"' EXIT INT TERM && \
		DATABASE_URL= DATA_DIR="$$made/data" $(BIN)/python -m api schema > "$$made/schema.sql" && \
		mv "$$made/schema.sql" sql/schema.sql

.PHONY: reset
reset: $(INSTALLED) ## Drop all data and start over, after a confirmation
	@exec $(BIN)/python -m api reset

##@ Quality

.PHONY: test
test: $(INSTALLED) $(WEB_BUILT) $(TOOLS_INSTALLED) ## Run every test, including browser tests (T=path selects some)
	@$(if $(T),,rm -rf .test-artifacts/screenshots)
	@exec $(BIN)/python -m pytest $(or $(T),$(TEST_ALL))

.PHONY: soak
soak: $(INSTALLED) $(WEB_BUILT) ## Inject random faults under load and check every response (T=seconds, SEED=of an earlier soak)
	@exec $(BIN)/python -m tests.faults.soak "$(T)" "$(SEED)"

.PHONY: bench
bench: $(INSTALLED) ## Measure throughput and latency (B=--quick for a trial)
	@exec $(BIN)/python -m api bench $(B)

.PHONY: lighthouse
lighthouse: $(INSTALLED) $(WEB_BUILT) $(TOOLS_INSTALLED) ## Measure every page with Lighthouse (L="--runs 1" for a trial)
	@exec $(BIN)/python -m tests.webapp.lighthouse $(L)

.PHONY: crowd
crowd: $(INSTALLED) $(WEB_BUILT) ## 10,000 browsers that poll and book (C="--browsers 200 --seconds 20")
	@exec $(BIN)/python -m tests.webapp.load_test $(C)

.PHONY: check
check: $(INSTALLED) $(TOOLS_INSTALLED) ## Run linters, type checkers and unit tests, without a build or a database
	@$(MAKE) --no-print-directory --jobs 3 lint typecheck unit

.PHONY: unit
unit: $(INSTALLED) ## Run the unit tests of both languages
	@$(BIN)/python -m pytest -q tests/unit

.PHONY: lint
lint: $(INSTALLED) $(TOOLS_INSTALLED) $(SQL_LINTED) ## Check the style of Python, SQL and JavaScript, and their comments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.english
	cd $(TOOLS) && npm run --silent lint

$(SQL_LINTED): $(SQL_INPUTS)
	$(BIN)/sqlfluff lint --disable-progress-bar sql/migrations sql/queries sql/privileges.sql
	@touch $@

.PHONY: format
format: $(INSTALLED) $(TOOLS_INSTALLED) ## Format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix --disable-progress-bar sql/migrations sql/queries sql/privileges.sql
	cd $(TOOLS) && npm run --silent format

.PHONY: typecheck
typecheck: $(INSTALLED) $(TOOLS_INSTALLED) ## Check the types of Python and JavaScript
	$(BIN)/mypy
	cd $(TOOLS) && npm run --silent typecheck

##@ Project

.PHONY: lock
lock: $(INSTALLED) ## Resolve the Python dependencies into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-header pyproject.toml --output-file requirements.lock

.PHONY: declarations
declarations: $(INSTALLED) ## Generate webapp/js/*schemas.d.ts after a change of api/*schemas.py
	@exec $(BIN)/python -m tests.webapp.declarations

.PHONY: clean
clean: ## Remove built and installed files; the database in DATA_DIR stays
	rm -rf $(VENV) .web $(TOOLS)/node_modules .bench .test-artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- Set-up ----------------------------------------------------------------------------------------------

# One of several concurrent makes installs. The others wait for it and then find nothing to do.
ifndef ALONE

$(INSTALLED): requirements.lock
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "Python is missing: install Python 3.11 or newer, or name it with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, and $$($(PYTHON) --version) was found: name a newer one with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@$(SET_UP_ALONE) $@

$(WEB_BUILT): $(WEB_INPUTS)
	@$(SET_UP_ALONE) $@

$(TOOLS_INSTALLED): $(TOOLS)/package.json $(TOOLS)/package-lock.json | $(INSTALLED)
	@$(SET_UP_ALONE) $@

else

# The lock names every package, so pip needs no dependency resolution. With it pip would consider newer releases for an
# extra of a dependency (granian[reload]), and refuse them without a hash.
$(INSTALLED): requirements.lock
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment: install its venv module (Debian: apt install python3-venv) and try again." >&2; exit 1; }
	@echo "Installing the locked Python dependencies (once, about a minute) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock || { echo "The Python dependencies could not be installed: check the network connection (or pip's index setting) and try again." >&2; exit 1; }
	@touch $@

$(WEB_BUILT): $(WEB_INPUTS)
	@echo "Building the web app (once, about a minute) ..."
	@$(BIN)/python -m webapp build
	@touch $@

# npm comes from the virtual environment. It deletes files that the lock does not name, including the marker file.
$(TOOLS_INSTALLED): $(TOOLS)/package.json $(TOOLS)/package-lock.json | $(INSTALLED)
	@echo "Installing the JavaScript tools (once, a few seconds) ..."
	@cd $(TOOLS) && npm ci --silent || { echo "The JavaScript tools could not be installed: check the network connection (or npm's registry setting) and try again." >&2; exit 1; }
	@touch $@

endif
