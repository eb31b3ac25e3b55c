# make setup | demo | test | check | bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH ?= --quick
GLTF_VALIDATOR := 2.0.0-dev.3.10

.PHONY: setup demo test check format bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    reconstruct the bundled capture and say where the result is"
	@echo "make test    style, types, architecture and tests"
	@echo "make setup   install everything into $(VENV)"
	@echo "make bench   run every benchmark (BENCH=--quick or BENCH= for the whole)"

# torch first and by exact version: see constraints.txt.
$(VENV)/.setup-run: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about 2 minutes the first time)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@$(BIN)/photoreal weights get embedded >$(VENV)/weights.log 2>&1 \
		|| { tail -n 1 $(VENV)/weights.log; echo "What needs these weights will say so; see photoreal doctor"; }
	@touch $@

$(VENV)/.setup-dev: $(VENV)/.setup-run
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@if command -v npm >/dev/null; then \
		npm install --silent --no-audit --no-fund --prefix $(VENV)/gltf gltf-validator@$(GLTF_VALIDATOR) \
		|| echo "gltf-validator could not be installed: tests that need it will be skipped"; fi
	@touch $@

setup: $(VENV)/.setup-dev

demo: $(VENV)/.setup-run
	$(BIN)/photoreal reconstruct examples/captures/reading_room/photos -o outputs/demo --preset draft --overwrite

check: $(VENV)/.setup-dev
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/basedpyright
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -q

format: $(VENV)/.setup-dev
	$(BIN)/ruff format src tests benchmarks examples
	$(BIN)/ruff check --fix src tests benchmarks examples

bench: $(VENV)/.setup-dev
	$(BIN)/python -m benchmarks all $(BENCH)

clean:
	rm -rf $(VENV) outputs .pytest_cache .ruff_cache .hypothesis
