"""Suites that the user wrote are answered beside the generated ones, unless one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from expecting import ALL, PASSWORD, assert_secret, check, failures, run

from cutover.dialects.endpoint import Endpoint
from cutover.errors import SpecError, TransientError

SUITE = r"""
table: cameras
expectations:
  - type: expect_column_values_to_be_in_set
    kwargs: {column: site, value_set: [1]}
    severity: warning
  - type: expect_table_column_count_to_equal
    kwargs: {value: 5}
  - type: expect_column_values_to_not_be_null
    kwargs: {column: id}
  - type: unexpected_rows_expectation
    kwargs:
      unexpected_rows_query: |
        SELECT c.id FROM {batch} AS c JOIN "Order: {{x}}" AS o ON o.camera = c.id ORDER BY 1;
  - type: unexpected_rows_expectation
    kwargs: {unexpected_rows_query: "SELECT nothing FROM {batch}"}
  - type: unexpected_rows_expectation
    kwargs: {unexpected_rows_query: "SELECT nextval('numbers') FROM {batch}"}
"""


def test_the_users_own_suite(target: Endpoint, tmp_path: Path) -> None:
    run(target, "CREATE SEQUENCE numbers")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "cameras.yaml").write_text(SUITE)
    results = check(target, tmp_path / "docs", frozenset(), folder)
    assert [r.success for r in results] == [False, False, True, False, False, False]
    assert results[0].severity == "warning"
    assert [result.keys for result in results[:4]] == [("3",), (), (), ("1", "3")]
    shown = failures(results)
    assert shown[:3] == [
        "cameras.site: expect_column_values_to_be_in_set (cameras.yaml): 1 unexpected, e.g. [3] 2",
        "cameras: expect_table_column_count_to_equal (cameras.yaml): found 4",
        "cameras: unexpected_rows_expectation (cameras.yaml): 3 unexpected rows, "
        "e.g. [{'id': 1}, {'id': 1}, {'id': 3}]",
    ]
    assert 'column "nothing" does not exist' in shown[3]
    assert "read-only transaction" in shown[4]
    assert_secret(tmp_path / "docs", repr(results))
    assert failures(check(target, tmp_path / "docs", frozenset({"rows"}))) == []


def test_what_is_written_twice_is_answered_twice(target: Endpoint, tmp_path: Path) -> None:
    once = "{type: expect_column_values_to_not_be_null, kwargs: {column: %s}}"
    written = ", ".join(once % name for name in ("id", "id", "name", "name"))
    for name in ("own.yaml", "own.json.yaml", "own-columns.yaml", "generated.yml"):
        (tmp_path / name).write_text(f"{{table: cameras, expectations: [{written}]}}")
    results = check(target, tmp_path / "docs", frozenset({"rows"}), tmp_path)
    assert [r.success for r in results] == [True, True, *[True, True, False, False] * 4]


def test_a_wrong_suite_stops_everything(target: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "cameras.json").write_text('{"table": "camera", "expectations": []}')
    with pytest.raises(SpecError, match=r"cameras.json: .*no table 'camera'; did you mean 'cameras'"):
        check(target, tmp_path / "docs", ALL, tmp_path)
    assert not (tmp_path / "docs").exists()


def test_a_lost_server_may_come_back(target: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "cameras.yaml").write_text("""
        {table: cameras, expectations: [{type: unexpected_rows_expectation, kwargs: {unexpected_rows_query:
        "SELECT pg_terminate_backend(pg_backend_pid()) FROM {batch}"}}]}
    """)
    with pytest.raises(TransientError, match="lost during the expectations") as caught:
        check(target, tmp_path / "docs", ALL, tmp_path)
    assert PASSWORD not in str(caught.value)
