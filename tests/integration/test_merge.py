"""Duplicates are merged into their first, and the proof finds whatever is not as merging makes it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from helpers import begin, differences, finished, mysql, postgres, rows, spec

from cutover import report
from cutover.data.finish import removed_table
from cutover.data.merge import merged_table
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.steps import move
from cutover.steps.context import Run

PEOPLE = (
    "CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(40), login VARCHAR(20), phone VARCHAR(20), "
    "kind ENUM('a','b'), tags SET('x','y'), doc JSON, raw BLOB, born DATE, "
    "shout VARCHAR(40) AS (UPPER(phone)) STORED, KEY (email))",
    "CREATE TABLE pets (id INT PRIMARY KEY, person INT, CONSTRAINT owner FOREIGN KEY (person) REFERENCES people (id))",
    "INSERT INTO people (id, email, login, phone, kind, tags, doc, raw, born) VALUES "
    "(1, 'a@x.example', NULL, NULL, NULL, NULL, NULL, NULL, NULL), "
    "(2, 'a@x.example', 'ana', NULL, 'b', '', NULL, 0x00FF, NULL), "
    "(3, 'a@x.example', 'anna', 'p3', 'a', 'x,y', '{\"n\": 3}', 0x01, '1990-01-01'), "
    "(4, NULL, 'bob', NULL, NULL, NULL, NULL, NULL, NULL), "
    "(5, 'b@x.example', 'bob', 'p5', NULL, 'y', NULL, NULL, NULL), "
    "(6, 'b@x.example', NULL, 'p6', 'a', 'x', NULL, NULL, '1991-01-01'), "
    "(7, NULL, NULL, 'p7', NULL, NULL, NULL, NULL, NULL), (8, NULL, NULL, 'p7', NULL, NULL, NULL, NULL, NULL), "
    "(9, 'c@x.example', 'cy', NULL, NULL, NULL, NULL, NULL, NULL)",
    "INSERT INTO pets VALUES (1, 1), (2, 3), (3, 9)",
)


def merging(*keys: Any) -> Any:
    cleaning = {"duplicateRemoval": {"strategy": "merge", "keyFields": list(keys)}}
    loading = {"options": {"errorHandling": {"errorThreshold": 1.0}}}
    return spec(data={"transformation": {"cleaning": cleaning}, "loading": loading})


SHOWN = "SELECT id, email, login, phone, kind::text, tags, doc::text, raw, born::text, shout FROM {}people ORDER BY id"
MERGED = [
    (1, "a@x.example", "ana", "p3", "b", [], '{"n": 3}', b"\x00\xff", "1990-01-01", "P3"),
    (4, "b@x.example", "bob", "p5", "a", ["y"], None, None, "1991-01-01", "P5"),
    (7, None, None, "p7", None, None, None, None, None, "P7"),
    (8, None, None, "p7", None, None, None, None, None, "P7"),
    (9, "c@x.example", "cy", None, None, None, None, None, None, None),
]


def test_the_first_takes_what_it_has_not(source_db: Server, target_db: Server) -> None:
    """By e-mail first, then by login; what came with the first merge goes on with the second."""
    mysql(source_db, *PEOPLE)
    told = run_migration(begin(source_db, target_db, merging("people.email", "people.login")))
    assert told.cause is None
    assert told.differences == []
    assert rows(target_db, SHOWN.format("")) == MERGED
    assert told.rule == [
        'people: 3 rows set aside, duplicate email, merged into the first; keys {"id": 2}, {"id": 3}, {"id": 6}',
        'people: 1 rows set aside, duplicate login, merged into the first; keys {"id": 5}',
        *(
            f"people.{column}: {n} NULL took the value of a duplicate"
            for column, n in (
                *(
                    ("email", 1),
                    ("login", 1),
                    ("phone", 2),
                    ("kind", 2),
                    ("tags", 2),
                    ("doc", 1),
                    ("raw", 1),
                    ("born", 2),
                ),
            )
        ),
    ]
    # Who referred to a row that went is an orphan, as with the other strategies.
    assert told.losses == ['pets: 1 rows set aside, no row in people for foreign key owner; keys {"id": 2}']
    table = next(t for t in told.tables if t.table == "people")
    assert (table.rows_read, table.rows, table.refused, table.set_aside, table.verified) == (9, 5, 0, 4, 9)


@pytest.fixture
def merged(source_db: Server, target_db: Server) -> Run:
    mysql(source_db, *PEOPLE)
    return finished(begin(source_db, target_db, merging("people.email", "people.login")))


def test_an_honest_merge_has_no_differences_and_leaves_no_trace(merged: Run, target_db: Server) -> None:
    query = "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace ORDER BY 1"
    before = rows(target_db, query, merged.shadow)
    assert differences(merged) == []
    assert rows(target_db, query, merged.shadow) == before


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE people SET phone = 'p6' WHERE id = 4", ["people[4].phone: source 'p5', target 'p6'"]),
        ("UPDATE people SET doc = NULL WHERE id = 1", ["people[1].doc: source '{\"n\": 3}', target None"]),
        ("UPDATE people SET doc = '{}' WHERE id = 4", ["people[4].doc: source None, target '{}'"]),
        ("UPDATE people SET phone = 'x' WHERE id = 9", ["people[9].phone: source None, target 'x'"]),
        ("UPDATE {kept} SET phone = 'p5' WHERE id = 4", ["people[4].phone: source None, target 'p5'"]),
        ("UPDATE {aside} SET phone = 'p7' WHERE id = 5", ["people[5].phone: source 'p5', target 'p7'"]),
        ("DELETE FROM people WHERE id = 4", ["people[4].born: source '1991-01-01', target None"]),
        ("DELETE FROM {aside} WHERE id = 6", ["people[6]: only in the source"]),
        (
            "WITH gone AS (DELETE FROM people WHERE id = 9 RETURNING *), noted AS (INSERT INTO cutover_rejects "
            "SELECT 'people', NULL, '{\"id\": 9}', 'email', 'duplicate email', 'rule' FROM gone) "
            "INSERT INTO {aside} SELECT * FROM gone",
            ['people[{"id": 9}]: only in the source'],
        ),
        (
            "WITH back AS (DELETE FROM {aside} WHERE id = 2 RETURNING *), noted AS (DELETE FROM cutover_rejects "
            "USING back WHERE source_key = '{\"id\": 2}') INSERT INTO {kept} SELECT * FROM back",
            ['people[{"id": 2}]: only in the target'],
        ),
    ],
)
def test_what_merging_did_not_make_is_found(merged: Run, target_db: Server, damage: str, found: list[str]) -> None:
    route = merged.plan.table("people").route
    statement = damage.replace("{kept}", merged_table(route)).replace("{aside}", removed_table(route))
    move_on = f"SET search_path TO {merged.shadow}; ALTER TABLE pets DROP CONSTRAINT owner; {statement}"
    postgres(target_db, move_on)
    assert set(found) <= set(differences(merged))


def test_a_step_that_is_called_again_changes_nothing(merged: Run, target_db: Server) -> None:
    move.finish_schema(merged)
    assert rows(target_db, SHOWN.format(f"{merged.shadow}.")) == MERGED
    event = merged.ledger.last(merged.id, "step_finished")
    assert event is not None
    assert ["people", "phone", 2] in [list(entry) for entry in event.detail["merged"]]
    assert differences(merged) == []


def test_one_key_of_several_fields(source_db: Server, target_db: Server) -> None:
    """What fills one key makes two rows alike in the other, which has had its turn: it gets another."""
    mysql(
        source_db,
        "CREATE TABLE stays (id INT PRIMARY KEY, guest INT, day DATE, code VARCHAR(9), note TEXT)",
        "INSERT INTO stays VALUES (1, 1, '2024-01-01', NULL, NULL), (2, 1, '2024-01-02', NULL, 'other day'), "
        "(3, NULL, '2024-01-01', 'k', NULL), (4, 1, NULL, 'k', 'late'), (5, 1, NULL, NULL, 'no day'), "
        "(6, 1, '2024-01-01', NULL, 'same')",
    )
    written = merging(["stays.guest", "stays.day"], "stays.code")
    told = run_migration(begin(source_db, target_db, written))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(target_db, "SELECT id, guest, day::text, code, note FROM stays ORDER BY id") == [
        (1, 1, "2024-01-01", "k", "same"),
        (2, 1, "2024-01-02", None, "other day"),
        (5, 1, None, None, "no day"),
    ]
    assert [line.split("; ")[0] for line in told.rule if "set aside" in line] == [
        "stays: 2 rows set aside, duplicate guest, day, merged into the first",
        "stays: 1 rows set aside, duplicate code, merged into the first",
    ]


def slowly(table: list[dict[str, Any]], keys: list[tuple[str, ...]]) -> list[dict[str, Any]]:
    """Merge as the documents say it, row by row."""
    left = [dict(row) for row in sorted(table, key=lambda row: row["id"])]
    while True:
        before = len(left)
        for key in keys:
            kept: list[dict[str, Any]] = []
            for row in left:
                values = [row[name] for name in key]
                first = next((k for k in kept if None not in values and [k[n] for n in key] == values), None)
                if first is None:
                    kept.append(row)
                    continue
                for name, value in row.items():
                    if first[name] is None:
                        first[name] = value
            left = kept
        if len(left) == before:
            return left


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_random_tables_are_merged_as_a_slow_merge_would(
    source_db: Server, target_db: Server, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Across chunks, by keys of one field and of two, in key order whatever the order of loading."""
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", 20)
    chance = random.Random(seed)
    fields, tables, keys = ("a", "b", "c", "d"), {}, {}
    for number in range(6):
        name = f"t{number}"
        values = [None, *range(chance.choice([4, 15, 40]))]
        ids = chance.sample(range(-500, 500), 60)
        tables[name] = [{"id": i} | {field: chance.choice(values) for field in fields} for i in ids]
        pair = tuple(chance.sample(fields, 2))
        keys[name] = chance.sample([("a",), ("b",), pair], chance.randint(1, 3))
        listed = ", ".join(
            "(" + ", ".join("NULL" if v is None else str(v) for v in row.values()) + ")" for row in tables[name]
        )
        mysql(
            source_db,
            f"CREATE TABLE {name} (id INT PRIMARY KEY, a INT, b INT, c INT, d INT)",
            f"INSERT INTO {name} VALUES {listed}",
            f"ANALYZE TABLE {name}",
        )
    written = merging(
        *(
            [f"{name}.{field}" for field in key] if len(key) > 1 else f"{name}.{key[0]}"
            for name in keys
            for key in keys[name]
        )
    )
    run = begin(source_db, target_db, written)
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.differences)
    assert len(run.plan.chunks) > len(tables)
    for name, table in tables.items():
        found = [
            dict(zip(("id", *fields), row, strict=True)) for row in rows(target_db, f"SELECT * FROM {name} ORDER BY id")
        ]
        assert found == slowly(table, keys[name]), (name, keys[name])
