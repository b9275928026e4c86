"""The public names are these, and each can be used."""

from __future__ import annotations

import cutover


def test_every_public_name_is_there() -> None:
    assert cutover.__all__ == [
        "Ledger",
        "MigrationSpec",
        "Plan",
        "Report",
        "__version__",
        "build_plan",
        "json_schema",
        "load_spec",
        "run_migration",
    ]
    assert all(getattr(cutover, name) for name in cutover.__all__)
