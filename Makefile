# make run     start the gateway with its playground and the mirror model: http://127.0.0.1:8080
# make test    format, lint, types, tests and the examples of the documentation
# make bench   speed side by side with peers, in an environment of its own (about five minutes)
# make heavy   the tests that take minutes
# make format  write the code, and the tables of the documentation, as make test wants them
# make clean   remove what these made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
JOBS ?= 2
NATIVE := hatch_build.py $(wildcard src/masquerade/mask/csrc/*)

.PHONY: run test heavy format bench clean
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp
	$(BIN)/masquerade serve --port $(PORT) --log text

test: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n $(JOBS) --dist loadfile

heavy: $(VENV)/dev.stamp
	$(BIN)/pytest -m heavy

format: $(VENV)/dev.stamp
	$(BIN)/python docs/tables.py
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv-bench/stamp
	.venv-bench/bin/python bench/text.py
	.venv-bench/bin/python bench/gateway.py
	.venv-bench/bin/python bench/arrays.py

clean:
	rm -rf $(VENV) .venv-bench build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Masquerade needs Python 3.11 or later as '$(PYTHON)'; say which: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp says what is installed: a second run installs nothing, a changed pyproject.toml does.
$(VENV)/run.stamp: pyproject.toml constraints.txt $(NATIVE) | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(NATIVE) | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps gliner  # it says that it wants an older transformers, and works with this one
	@touch $(VENV)/run.stamp $@

.venv-bench/stamp: pyproject.toml bench/requirements.txt $(NATIVE)
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -e . -r bench/requirements.txt
	@touch $@
