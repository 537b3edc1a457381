# `make demo` and `make test` set up all they need in .venv; Python 3.11 or newer and make are enough.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test test-contract test-clients test-faults check lint types format bench clean

demo: $(READY)
	rm -rf build/demo && mkdir -p build/demo
	$(BIN)/behavstats ingest --db build/demo/behavstats.db fixtures/events.jsonl fixtures/more.jsonl.gz
	$(BIN)/behavstats profile --db build/demo/behavstats.db 019mr8mf4r --as-of 2026-11-15T00:00:00Z

test: $(READY)
	$(BIN)/pytest

# Some minutes of requests by schemathesis, which holds the server against its own document.
test-contract: $(READY)
	$(BIN)/pytest tests/contract

# Published Segment and RudderStack clients against a real server. They mostly wait: for back-offs, and
# for what is out of order on purpose. So there are more of them at a time than cores.
test-clients: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,clients]'
	tests/clients/install
	$(BIN)/pytest tests/clients --numprocesses=8

# Minutes: kills, full disks, power cuts, crowds and log rotation, against real processes.
test-faults: $(READY)
	tests/faults/install
	$(BIN)/pytest tests/faults

check: lint types test

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Half an hour, and 5 GB in build/bench; writes benchmarks/README.md.
bench: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf .venv build .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info

$(READY): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "behavstats needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
