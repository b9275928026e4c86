# `make demo` shows a whole migration, `make test` tests it; each sets up what it needs. ROWS=, DETACH=1: see README.
BIN := .venv/bin
export ROWS DETACH

.PHONY: setup test test-slow demo bench lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml scripts/setup.sh
	scripts/setup.sh

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-slow: setup
	$(BIN)/pytest -m slow

demo: setup
	@$(BIN)/python -m cutover.local.demo

bench: setup
	@command -v pgloader >/dev/null || scripts/setup.sh pgloader
	@$(BIN)/python -m cutover.local.bench

lock:
	scripts/lock.sh

clean:
	rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
