# The commands of this project; `make` alone lists them. Everything else is in scripts/ and manage.py.
PORT ?= 8000
SANDBOX_PORT ?= 8900
# Distributions optimise their Python with profiles; the one of a version manager needs a sixth more time.
USABLE = import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell /usr/bin/python3 -c "$(USABLE)" 2>/dev/null && echo /usr/bin/python3 || echo python3)
ARGS ?=
BIN = .venv/bin
TEMPLATES = '*templates/*.html' '*templates/*.txt'
PYTEST = $(BIN)/pytest -q -rs -p no:cacheprovider
# On two cores: a part of the tests waits.
WORKERS = 3
LONG_SLICES = -p tests.support.time_slice
CRASH_PARALLEL = -n 2 --dist loadgroup
# Folders and files of which make test-fast runs nothing are not collected: each worker would.
FAST = --ignore tests/browser --ignore tests/system/crash --ignore tests/rest/test_fuzzing.py
PARALLEL = -n $(WORKERS) --dist loadgroup
ON_SERVERS = $(BIN)/python -m scripts.postgres $(BIN)/python -m scripts.redis_server
# Jobs beside each other: the first shows its progress, the others print their output when they end.
AT_ONCE = @$(MAKE) --no-print-directory -j3
IN_LOG = > build/$@.log 2>&1; code=$$?; cat build/$@.log; exit $$code

# Compiled modules are kept, whatever the caller's shell says: the tests start some hundred processes.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run test most-tests other-tests test-sqlite test-postgresql test-browser crash-sqlite crash-postgresql lint-in-log test-fast prove lint format bench chaos messages style frontend types walls templates deploy german venv venv-dev python

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1 : /'

run: python ## install, prepare and start AudienceSync with its demo (PORT=8000 SANDBOX_PORT=8900)
	@$(PYTHON) scripts/run.py --port "$(PORT)" --sandbox-port "$(SANDBOX_PORT)"

test: venv-dev ## everything: lint, types, contracts, translations, browser, all tests on SQLite and on PostgreSQL with Redis
	@mkdir -p build
	$(AT_ONCE) most-tests other-tests lint-in-log

# Two rows of parts beside each other: while tests of one wait, those of the other compute.
most-tests:
	@$(MAKE) --no-print-directory test-sqlite
	@$(MAKE) --no-print-directory test-postgresql

other-tests:
	@$(MAKE) --no-print-directory crash-sqlite
	@$(MAKE) --no-print-directory test-browser
	@$(MAKE) --no-print-directory crash-postgresql

test-sqlite:
	$(PYTEST) $(LONG_SLICES) -m "not browser and not machines and not on_postgresql" --ignore tests/system/crash $(PARALLEL) --junitxml=build/junit-sqlite.xml

test-postgresql:
	$(ON_SERVERS) $(PYTEST) -m "not browser and not once" --ignore tests/system/crash $(PARALLEL) --create-db --junitxml=build/junit-postgresql.xml

test-browser:
	@$(PYTEST) tests/browser -n $(WORKERS) --dist loadfile --junitxml=build/junit-browser.xml $(IN_LOG)

# The crash tests fork a process for each kill: in processes of their own, which have loaded no other tests, a fork copies half the memory.
crash-sqlite:
	@$(PYTEST) $(LONG_SLICES) -m "not on_postgresql" tests/system/crash $(CRASH_PARALLEL) --junitxml=build/junit-crash-sqlite.xml $(IN_LOG)

crash-postgresql:
	@$(ON_SERVERS) $(PYTEST) -m "not once" tests/system/crash --ignore tests/system/crash/test_mutants.py $(CRASH_PARALLEL) --create-db --junitxml=build/junit-crash-postgresql.xml $(IN_LOG)

lint-in-log:
	@$(MAKE) --no-print-directory lint $(IN_LOG)

prove: venv-dev ## kill and freeze at every point instead of once per class of points, check the classes, see the seeded bugs on both databases
	$(PYTEST) tests/system/crash $(PARALLEL) --every-point
	$(BIN)/python -m scripts.postgres $(PYTEST) tests/system/crash $(PARALLEL) --create-db --every-point

test-fast: venv-dev ## the tests that together take under 90 seconds
	$(PYTEST) -m "not slow and not thorough" $(FAST) -n 2 $(ARGS)

lint: style frontend types walls templates deploy german ## style, types, import contracts, templates, CSS and JavaScript, deployment check, migrations, translations

style: venv-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

frontend: venv-dev
	$(BIN)/python scripts/prettier.py

types: venv-dev
	$(BIN)/mypy

walls: venv-dev
	$(BIN)/lint-imports --no-logo

templates: venv-dev
	git ls-files -z -- $(TEMPLATES) | xargs -0 $(BIN)/djade --target-version 5.2 --check

deploy: venv-dev
	$(BIN)/python scripts/deploy_check.py

german: venv-dev
	$(BIN)/python scripts/messages.py --check

format: venv-dev ## write Python, templates, CSS and JavaScript in the one style that lint checks
	$(BIN)/python scripts/prettier.py --write
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
	git ls-files -z -- $(TEMPLATES) | xargs -0 $(BIN)/djade --target-version 5.2 || true

bench: venv-dev ## measure: ARGS are handed to `manage.py bench`
	$(BIN)/python manage.py bench $(ARGS)

chaos: venv-dev ## kill and stop engines at random amid faults and user acts; ARGS are handed to `manage.py chaos`
	$(BIN)/python manage.py chaos $(ARGS)

messages: venv-dev ## collect the texts into locale/ and compile the translations
	$(BIN)/python scripts/messages.py

venv: python
	@$(PYTHON) scripts/bootstrap.py requirements.lock

venv-dev: python
	@$(PYTHON) scripts/bootstrap.py requirements-dev.lock --tools

python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed (Debian: apt-get install python3 python3-venv)."; exit 1; }
