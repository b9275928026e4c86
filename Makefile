# `make demo` shows a whole migration, `make test` tests it; each sets up what it needs. ROWS=, DETACH=1: see README.
BIN := .venv/bin
export ROWS DETACH CORPUS_DIR

.PHONY: setup test test-slow test-corpus demo bench lock clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml scripts/setup.sh
	scripts/setup.sh

# The longest file, tests/dags, begins first: files are taken in their order, not by how many tests they hold.
test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not slow and not corpus" -n 4 --dist loadfile --no-loadscope-reorder

test-slow: setup
	@command -v pgloader >/dev/null || scripts/setup.sh pgloader
	$(BIN)/pytest -m "slow and not corpus"

test-corpus: setup
	@test -d "$(CORPUS_DIR)" || \
		{ echo "CORPUS_DIR must name a folder that holds a folder of SQL files for each database"; exit 1; }
	$(BIN)/pytest -m corpus

demo: setup
	@$(BIN)/python -m cutover.local.demo

bench: setup
	@command -v pgloader >/dev/null || scripts/setup.sh pgloader
	@$(BIN)/python -m cutover.local.bench

lock:
	scripts/lock.sh

clean:
	rm -rf .venv .local .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
