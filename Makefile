# make studio   sets up .venv and opens the studio on the default model
# make test     sets up .venv and runs the tests, two or more at a time: first those without a browser
# make lint     ruff

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What was tested. torch is named on its own so that a fresh machine doesn't fetch a newer one.
TORCH := torch==2.13.0

.PHONY: studio test lint
.DELETE_ON_ERROR:

studio: $(VENV)/ready
	$(BIN)/python app.py

test: $(VENV)/ready-to-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --ignore=tests/studio --ignore=tests/test_story.py
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/studio tests/test_story.py

lint: $(VENV)/ready-to-test
	$(BIN)/ruff check . --fix
	$(BIN)/ruff format .

# Debian's python3 comes without ensurepip unless python3-venv is installed; its pip can fill a bare environment.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || { rm -rf $(VENV); exit 1; }

$(VENV)/ready: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -e .
	touch $@

$(VENV)/ready-to-test: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -e ".[test]"
	@if ! command -v chromium >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; \
	  else \
	    echo "The browser tests need Debian's chromium. Install it (apt-get install chromium) and run make test again."; exit 1; \
	  fi; fi
	touch $@
