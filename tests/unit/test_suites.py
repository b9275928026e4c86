"""Users' suites: what is wrong with one is said with its file, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cutover.dialects.endpoint import Endpoint
from cutover.errors import SpecError
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.target import TargetTable
from cutover.verify import engine, expectations, suites

EXAMPLES = Path(__file__).parents[2] / "include/migrations/camera_counting/expectations"


def table(name: str, *columns: str) -> TargetTable:
    routes = (ColumnRoute(c, "text", "{c}", "string", c, "text", "string") for c in columns)
    return TargetTable(TableRoute(name, name, tuple(routes)))


TABLES = (
    table("users", "id", "username", "email", "status", "last_login", "created_at"),
    table("analytics", "id", "camera_id", "count", "confidence", "direction", "timestamp", "created_at"),
)


def problems(folder: Path, file: str, text: str) -> str:
    (folder / file).write_text(text)
    with pytest.raises(SpecError) as caught:
        suites.read(folder, TABLES)
    assert all(problem.startswith(str(folder / file)) for problem in caught.value.problems)
    return str(caught.value)


def _asking(query: str) -> str:
    expectation = {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}}
    return json.dumps({"table": "users", "expectations": [expectation]})


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM {batch} WHERE status = 'a;b' -- why\n;",
        "WITH d AS (SELECT id FROM {batch}) SELECT u.id FROM users AS u JOIN d USING (id) WHERE u.email ~ '^(a|b)$'",
        "(SELECT id FROM {batch}) UNION ALL SELECT 1",
    ],
)
def test_a_query_is_one_select(tmp_path: Path, query: str) -> None:
    (tmp_path / "mine.json").write_text(_asking(query))
    assert len(suites.read(tmp_path, TABLES)) == 1


def test_the_examples_are_right() -> None:
    own = suites.read(EXAMPLES, TABLES)
    assert {each.table for each in own} == {"users", "analytics"}
    assert all(each.built() is not None for each in own)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "has the keys table and expectations"),
        ("{table: users}", "has the keys table and expectations"),
        ("{table: user, expectations: []}", "no table 'user'; did you mean 'users'?"),
        ("{table: users, expectations: {}}", "should be a list"),
        ("{table: users, expectations: [{kwargs: {}}]}", "expectation 1 has a type"),
        ("{table: users, expectations: [{type: expect_x, kwarg: {}}]}", "but no other key"),
        ("{table: users, expectations: [{type: expect_x, kwargs: 1}]}", "kwargs should be a mapping"),
        (
            "{table: users, expectations: [{type: expect_column_values_to_be_nul, kwargs: {column: id}}]}",
            "expectation 1 (expect_column_values_to_be_nul): no such type; "
            "did you mean 'expect_column_values_to_be_null'?",
        ),
        (
            "{table: users, expectations: [{type: expect_column_values_to_be_null, kwargs: {colum: id}}]}",
            "colum: extra fields not permitted",
        ),
        ("{table: users, expectations: [{type: expect_column_values_to_be_null}]}", "column: field required"),
        (
            "{table: users, expectations: [{type: expect_column_values_to_be_null, kwargs: {column: mail}}]}",
            "table users has no column 'mail'; did you mean 'email'?",
        ),
        (
            "{table: users, expectations: [{type: expect_column_values_to_be_null, kwargs: {column: id}, "
            "severity: loud}]}",
            "Invalid severity 'loud'",
        ),
        (
            "{table: users, expectations: [{type: expect_compound_columns_to_be_unique, "
            "kwargs: {column_list: [id, mial]}}]}",
            "no column 'mial'",
        ),
        (
            "{table: users, expectations: [{type: unexpected_rows_expectation, "
            "kwargs: {unexpected_rows_query: 'SELECT {x'}}]}",
            "malformed brace",
        ),
        (
            _asking("SELECT 1 AS a) AS found; COMMIT; BEGIN READ WRITE; CREATE TABLE x (a int); SELECT (1"),
            "is no SELECT",
        ),
        (_asking("SELECT 1; SELECT 2"), "unexpected_rows_query: should be one SELECT that changes nothing"),
        (_asking("DELETE FROM {batch}"), "unexpected_rows_query: should be one SELECT that changes nothing"),
        (_asking("WITH d AS (DELETE FROM {batch} RETURNING id) SELECT id FROM d"), "should be one SELECT"),
        (_asking("COMMIT"), "unexpected_rows_query: should be one SELECT that changes nothing"),
        ("table: [", ":1: not YAML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, body: str, said: str) -> None:
    assert said in problems(tmp_path, "mine.yaml", body)


def test_json_says_its_line(tmp_path: Path) -> None:
    assert "mine.json:2: not JSON" in problems(tmp_path, "mine.json", '{"table": "users",\n}')


def test_every_problem_of_every_file_is_told(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("{table: users, expectations: [{type: nothing}, {type: none}]}")
    with pytest.raises(SpecError) as caught:
        suites.read(tmp_path, TABLES)
    assert len(caught.value.problems) == 4


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Notes")
    assert suites.read(tmp_path, TABLES) == []


def test_tls_is_verified_where_the_endpoint_says_so() -> None:
    endpoint = Endpoint("postgresql", "db", 5432, "d", "u", "p", verify_tls=True, tls_ca="/ca.pem")
    url = engine._url(endpoint, "shadow")
    assert "sslmode=verify-full" in url
    assert "sslrootcert=%2Fca.pem" in url or "sslrootcert=/ca.pem" in url
    assert "sslmode" not in engine._url(Endpoint("postgresql", "db", 5432, "d", "u", "p"), "shadow")


def test_a_result_reads_well() -> None:
    result = expectations.Result("users", "expect unique", "email", False, "3 unexpected, e.g. ['a@b.c']")
    assert str(result) == "users.email: expect unique: 3 unexpected, e.g. ['a@b.c']"
