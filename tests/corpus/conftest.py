"""One test for each database: the folders of CORPUS_DIR."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# The helpers of the tests against servers are those of this folder too, also when it is run alone.
sys.path.append(str(Path(__file__).parents[1] / "integration"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "folder" in metafunc.fixturenames:
        given = os.environ.get("CORPUS_DIR")
        # Without a corpus there is one test, which fails and says so.
        found: list[Path | None] = [None]
        if given:
            found = [path for path in sorted(Path(given).iterdir()) if path.is_dir()]
        if "sakila" in metafunc.fixturenames:
            found = [path for path in found if path is None or path.name == "sakila"]
        metafunc.parametrize("folder", found, ids=[path.name if path else "unset" for path in found], scope="module")
