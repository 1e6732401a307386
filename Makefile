# make studio   sets up .venv and opens the studio on the default model
# make check    answers within a minute: lint, types, import rules, and the tests without torch or a browser
# make test     make lint, then all tests: first those without a browser, then those with one
# make lint     ruff, mypy and the import rules
# make format   formats the code and mends what ruff can
# make lock     updates .venv to the newest versions that pyproject.toml allows, torch aside, and writes them to
#               requirements.lock; run make test before you commit it

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# requirements.lock has the versions that were tested; pip takes it as constraints, on any machine.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TORCH := torch==2.13.0

# Folders whose tests mostly need no torch; --pure skips the others in them.
PURE := tests/engine/core tests/engine/protocols tests/engine/runs tests/engine/serving \
  tests/engine/lab/storybook tests/sessions
# The longest test comes first, so that nobody waits for it at the end.
BROWSER := tests/test_story.py tests/studio

.PHONY: studio check test lint format lock
.DELETE_ON_ERROR:

studio: $(VENV)/ready
	$(BIN)/restroke

check: lint
	$(BIN)/python -m pytest --pure -n 2 --dist worksteal $(PURE) --ignore=tests/engine/lab/storybook/test_judge.py

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal $(BROWSER:%=--ignore=%)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(BROWSER)

lint: $(VENV)/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready-to-test
	$(BIN)/ruff check . --fix
	$(BIN)/ruff format .

lock: $(VENV)/ready-to-test
	$(INSTALL) --upgrade --upgrade-strategy eager $(TORCH) -e ".[test]"
	{ echo "# The versions that were tested (make lock). Constraints for pip: it installs only what is needed."; \
	  $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+.*//'; } > requirements.lock

# Debian's python3 comes without ensurepip unless python3-venv is installed; its pip can fill a bare environment.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || { rm -rf $(VENV); exit 1; }

$(VENV)/ready: pyproject.toml requirements.lock | $(BIN)/python
	$(INSTALL) -c requirements.lock -e .
	touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(INSTALL) -c requirements.lock -e ".[test]"
	@if ! command -v chromium >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; \
	  else \
	    echo "The browser tests need Debian's chromium. Install it (apt-get install chromium) and run make test again."; exit 1; \
	  fi; fi
	touch $@
