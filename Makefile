# make demo    a collector with a sample shop and the admin (PORT= to change the port)
# make test    set up what the tests need, browser included, and run them all
# make quick   in two minutes, without a browser: what a change breaks most often
# make check   the style: ruff, mypy, tsc, prettier, and that the built widget is what its sources give
# make fix     put right what of the style can be put right by itself
# make stress  one test many times on a busy machine (TEST=tests/test_outbox.py, TIMES=20)
# make build   the widget, from its sources into the Python package
# make release what is served under hashed names is kept for good: before each release, then commit what it adds
# make pictures   the documentation's pictures, of a fresh demo
# make bench   what it costs, beside floors that run on this machine; the table goes into docs/operator.md
# make bench-widget   what it costs in the page, beside what else people put there; likewise
# make test-faults   every test that has a long form with its full counts, for hours rather than minutes
# make robots  fetch the patterns of isbot anew (VERSION= for another release)
# make lock    pin the dependencies anew

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
TIMES ?= 20
PEERS := tests/benchmarks/widget
BUNDLED := examples/react examples/vue
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test quick stress test-faults bench bench-widget check fix build release pictures lock robots browser clean

demo: $(VENV)/base
	@$(BIN)/tevreden demo --port $(PORT)

test: $(VENV)/dev $(VENV)/browser widget/node_modules
	$(BIN)/pytest -n auto

quick: $(VENV)/dev
	$(BIN)/pytest -n auto -m "not slow" -k "not postgresql" tests/test_*.py

stress: $(VENV)/dev
	@test -n "$(TEST)" || { echo "Say which test: make stress TEST=tests/test_outbox.py"; exit 1; }
	$(BIN)/python -m tests.stress $(TEST) --times=$(TIMES)

test-faults: $(VENV)/dev $(VENV)/browser
	FAULTS=long $(BIN)/pytest --ignore tests/browser

bench: $(VENV)/dev
	$(BIN)/python -m tests.benchmarks --write

bench-widget: $(VENV)/browser $(PEERS)/node_modules
	$(BIN)/python -m tests.benchmarks.widget --write

check: $(VENV)/dev widget/node_modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd widget && npm run --silent check
	cd widget && node_modules/.bin/prettier --config .prettierrc.json --check ../$(PEERS)/*.js $(BUNDLED:%=../%/src)
	cd widget && node build.mjs --check

fix: $(VENV)/dev widget/node_modules
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	cd widget && node_modules/.bin/prettier --log-level warn --write .
	cd widget && node_modules/.bin/prettier --log-level warn --config .prettierrc.json --write ../$(PEERS)/*.js $(BUNDLED:%=../%/src)

build: widget/node_modules
	cd widget && node build.mjs

release: widget/node_modules
	cd widget && node build.mjs --release

browser: $(VENV)/browser

pictures: $(VENV)/browser
	PYTHONPATH=. $(BIN)/python docs/pictures.py

robots:
	$(PYTHON) tests/fetch_robots.py $(VERSION)

lock: $(VENV)/dev
	$(BIN)/pip install -q uv
	for group in base dev; do \
	  $(BIN)/uv pip compile pyproject.toml --group $$group --universal --python-version 3.11 --generate-hashes \
	    --no-header --upgrade -q -o requirements/$$group.txt || exit 1; done
	$(BIN)/uv pip compile requirements/node.in --universal --python-version 3.11 --generate-hashes \
	  --no-header --upgrade -q -o requirements/node.txt
	for folder in widget $(PEERS) $(BUNDLED); do (cd $$folder && npm update && \
	  node -e 'const fs = require("fs"), f = "package-lock.json", lock = JSON.parse(fs.readFileSync(f)); \
	  Object.values(lock.packages).forEach((one) => delete one.funding); \
	  fs.writeFileSync(f, JSON.stringify(lock, null, 2) + "\n")') || exit 1; done

clean:
	rm -rf $(VENV) .demo .pictures widget/dist widget/node_modules $(PEERS)/node_modules $(BUNDLED:%=%/node_modules) $(BUNDLED:%=%/dist)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tevreden needs Python 3.11 or later; say which with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/base: $(BIN)/python requirements/base.txt pyproject.toml
	$(BIN)/pip install -q --require-hashes -r requirements/base.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev: $(VENV)/base requirements/dev.txt
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/browser: $(VENV)/dev
	$(BIN)/python tests/browser/install.py
	$(BIN)/python tests/install_postgres.py
	@touch $@

# Node 20 or later from the machine if it has one, else into the virtual environment.
$(VENV)/node: $(BIN)/python requirements/node.txt
	@{ npm --version >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 20)'; } 2>/dev/null || \
	  $(BIN)/pip install -q --require-hashes -r requirements/node.txt
	@touch $@

widget/node_modules $(PEERS)/node_modules: %/node_modules: $(VENV)/node %/package-lock.json
	cd $* && npm ci --silent
	@touch $@
