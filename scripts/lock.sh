#!/usr/bin/env bash
# Writes requirements.lock anew: pinned versions with hashes, no address of any index.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x .local/uv/bin/uv ] || { python3 -m venv .local/uv && .local/uv/bin/pip install --quiet uv; }
.local/uv/bin/uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-header \
    --no-annotate --python-version 3.11 -o requirements.lock "$@"
