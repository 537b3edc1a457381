# Every target sets up what it needs in .venv. You need Python 3.11 or newer and make.
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

# A few minutes of requests by schemathesis, which checks the server against its OpenAPI document.
test-contract: $(READY)
	$(BIN)/pytest tests/contract

# Published Segment and RudderStack clients against a real server. These tests mostly wait (for
# back-offs, for outages made on purpose), so more of them run at once than there are cores.
test-clients: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,clients]'
	tests/clients/install
	$(BIN)/pytest tests/clients --numprocesses=8

# Kills, full disks, power cuts, crowds and log rotation, with real processes. Takes minutes.
test-faults: $(READY)
	tests/faults/install
	$(BIN)/pytest tests/faults

check: lint types test

lint: $(READY)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/codespell

types: $(READY)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Takes half an hour and 5 GB in build/bench; writes benchmarks/README.md.
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
