"""A source and a target that anybody may have loaded are compared, cell by cell, and what differs is mended."""

from __future__ import annotations

import json
import math
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from comparing import CELLS, cells, compared, comparison
from helpers import SECRET, begin, endpoint, mysql, one, postgres, role, rows, spec
from program import cutover, started

from cutover import report, verdict
from cutover.errors import PreflightError, SpecError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.steps import compare
from cutover.steps.compare import Options
from cutover.steps.context import Params, start
from cutover.verifying import verify

WAYS = pytest.mark.parametrize("fast", [False, True], ids=["cells", "digests"])


@WAYS
def test_every_kind_of_cell_is_found_by_one_unit_and_mended(source_db: Server, target_db: Server, fast: bool) -> None:
    cells(source_db, target_db)
    found = compared(source_db, target_db, fast=fast)
    assert (found.status, found.differences, found.unlike) == (verdict.SAME, [], [])
    assert "cells.widened: 31 doubles are the shortest decimal of their FLOAT, and not its value" in found.explained

    for number, (name, cell) in enumerate(CELLS.items(), 1):
        postgres(target_db, f"SET timezone = 'UTC'; UPDATE cells SET {name} = {cell[3]} WHERE id = {number}")
    before = rows(target_db, "SELECT * FROM cells WHERE id = 0")
    found = compared(source_db, target_db, fast=fast)
    assert found.status == verdict.DIFFERENT
    assert [table.changed for table in found.tables] == [len(CELLS)]
    shown = {line.split(":")[0] for line in found.differences}
    # Of each range the first twenty are shown.
    assert shown == {f"cells[{number}].{name}" for number, name in enumerate(CELLS, 1) if number <= 20}

    found = compared(source_db, target_db, fast=fast, repair=True)
    assert (found.status, found.count) == (verdict.SAME, 0)
    assert f"cells: {len(CELLS)} rows put in, {len(CELLS)} taken out" in found.repaired
    assert rows(target_db, "SELECT * FROM cells WHERE id = 0") == before
    assert one(target_db, "SELECT count(*) FROM (SELECT DISTINCT to_jsonb(c) - 'id' - 'widened' FROM cells c) d") == 1


DAMAGE = {
    "a row is lost": ("DELETE FROM children WHERE id = 3", {"children[3]: only in the source"}),
    "values change columns": (
        "UPDATE children SET note = spare, spare = note WHERE id = 1",
        {"children[1].note: source 'x', target 'y'", "children[1].spare: source 'y', target 'x'"},
    ),
    "an empty text is NULL": (
        "UPDATE children SET spare = NULL WHERE id = 2",
        {"children[2].spare: source '', target None"},
    ),
    "two rows change names, which are unique": (
        "UPDATE parents SET name = 'q' WHERE id = 1; UPDATE parents SET name = 'a' WHERE id = 2; "
        "UPDATE parents SET name = 'b' WHERE id = 1",
        {"parents[1].name: source 'a', target 'b'", "parents[2].name: source 'b', target 'a'"},
    ),
    "a row has another key": (
        "UPDATE parents SET id = 9 WHERE id = 6",
        {"parents[6]: only in the source", "parents[9]: only in the target"},
    ),
    "a child has a parent that is too many": (
        "INSERT INTO parents VALUES (8, 'new'); UPDATE children SET parent = 8 WHERE id = 4",
        {"children[4].parent: source 4, target 8", "parents[8]: only in the target"},
    ),
    "a parent is lost with its child": (
        "DELETE FROM children WHERE id = 5; DELETE FROM parents WHERE id = 5",
        {"parents[5]: only in the source", "children[5]: only in the source"},
    ),
    "a word has another case": (
        "UPDATE words SET word = 'X' WHERE code = 'ö'",
        {"words[ö].word: source 'x', target 'X'"},
    ),
    "a key has another case": (
        "UPDATE words SET code = 'a' WHERE code = 'A'",
        {"words[A]: only in the source", "words[a]: only in the target"},
    ),
    "a row is there twice": ("INSERT INTO heap VALUES (4, 'd')", {"heap[4, d]: only in the target"}),
    "a copy of a row is lost": (
        "DELETE FROM heap WHERE ctid = (SELECT min(ctid) FROM heap WHERE a = 1)",
        {"heap[1, x]: only in the source"},
    ),
    "digits move": (
        "UPDATE heap SET a = 1, b = '23' WHERE a = 12",
        {"heap[1, 23]: only in the target", "heap[12, 3]: only in the source"},
    ),
    "all rows are lost": ("TRUNCATE gone", {f"gone[{number}]: only in the source" for number in (1, 2, 3)}),
}


@WAYS
def test_all_damage_is_found_and_mended(copied: tuple[Server, Server], fast: bool) -> None:
    source, target = copied
    assert compared(source, target, fast=fast).status == verdict.SAME
    postgres(target, *(statement for statement, _ in DAMAGE.values()))
    found = compared(source, target, fast=fast)
    assert found.status == verdict.DIFFERENT
    assert set(found.differences) == set().union(*(lines for _, lines in DAMAGE.values()))
    assert len(found.differences) == len(set(found.differences))
    counts = {table.table: (table.lost, table.extra, table.changed) for table in found.tables}
    assert counts == {
        "parents": (2, 2, 2),
        "children": (2, 0, 3),
        "words": (1, 1, 1),
        "heap": (2, 2, 0),
        "gone": (3, 0, 0),
    }

    mended = compared(source, target, fast=fast, repair=True)
    assert (mended.status, mended.count) == (verdict.SAME, 0), (mended.differences, mended.notes)
    assert compared(source, target).status == verdict.SAME
    # A number that a sequence gives comes after those that were put in.
    assert one(target, "INSERT INTO parents (name) VALUES ('next') RETURNING id") > 6


def test_names_that_differ_in_case_alone_mean_what_they_say(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE `T` (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY)")
    mysql(source_db, "INSERT INTO `T` VALUES (1)", "INSERT INTO t VALUES (2)")
    postgres(target_db, "CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (2)")
    found = compared(source_db, target_db, repair=True)
    assert (found.unlike, found.differences) == (["table T: the target has no table public.T"], [])
    assert rows(target_db, "SELECT * FROM t") == [(2,)]


# A type on both sides, a value in the source, and one in the target that is not it.
NEARLY = (
    ("ENUM('a')", "text", "NULL", "'b'"),
    ("DOUBLE", "double precision", "1e-30", "5e-27"),
    ("TIMESTAMP NULL", "timestamptz", "'0000-00-00'", "'1970-01-01'"),
    ("VARCHAR(20)", "inet", "'10.0.0.1'", "'10.0.0.1/8'"),
    ("TIME", "interval", "'720:00:00'", "'1 mon'"),
    ("SET('a')", "text[]", "'a'", "ARRAY['a', NULL]"),
    ("DATE", "date", "'2024-01-01'", "'infinity'"),
    ("DATETIME", "timestamp", "'2024-01-01'", "'0044-03-15 BC'"),
    ("DOUBLE", "numeric", "1.5", "'NaN'"),
)
# The same, and one that is.
ALIKE = (
    ("FLOAT", "numeric(10,2)", "0.1", "0.1"),
    ("CHAR(36)", "uuid", "'123E4567-E89B-12D3-A456-426614174000'", "'123e4567-e89b-12d3-a456-426614174000'"),
    ("INT UNSIGNED", "bigint", "4294967295", "4294967295"),
    ("DOUBLE", "double precision", "1.7e308", "1.7e308"),
    ("DECIMAL(18,2)", "numeric(18,2)", "-9999999999999999.99", "-9999999999999999.99"),
    ("DATE", "date", "'1000-01-01'", "'1000-01-01'"),
)


@WAYS
def test_what_is_nearly_alike_is_not(source_db: Server, target_db: Server, fast: bool) -> None:
    both = [*NEARLY, *ALIKE]
    for number, (mine, theirs, value, other) in enumerate(both):
        mysql(source_db, f"CREATE TABLE t{number} (id INT UNSIGNED PRIMARY KEY, v {mine})")
        mysql(source_db, f"INSERT INTO t{number} VALUES (1, {value})")
        postgres(target_db, f"CREATE TABLE t{number} (id bigint PRIMARY KEY, v {theirs})")
        postgres(target_db, f"SET timezone = 'UTC'; INSERT INTO t{number} VALUES (1, {other})")
    found = compared(source_db, target_db, fast=fast)
    changed = {table.table for table in found.tables if table.changed}
    assert changed == {f"t{number}" for number in range(len(NEARLY))}
    assert found.unlike == []


def test_digests_tell_rows_apart_that_change_places(source_db: Server, target_db: Server) -> None:
    made = "CREATE TABLE pairs (a int, b int, v int, PRIMARY KEY (a, b))"
    far = "CREATE TABLE far (id int PRIMARY KEY, v int)"
    mysql(
        source_db,
        made,
        far,
        "INSERT INTO pairs VALUES (1, 1, 7), (1, 2, 8)",
        "INSERT INTO far VALUES (1, 7), (32750, 8)",
    )
    postgres(
        target_db,
        made,
        far,
        "INSERT INTO pairs VALUES (1, 1, 8), (1, 2, 7)",
        "INSERT INTO far VALUES (1, 8), (32750, 7)",
    )
    found = compared(source_db, target_db, fast=True)
    assert {table.table: table.changed for table in found.tables} == {"pairs": 2, "far": 2}


def test_what_is_missing_or_unlike_is_named_and_the_rest_compared(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE here (id INT PRIMARY KEY, word TEXT, place POINT, gone INT, UNIQUE KEY by_gone (gone))",
        "CREATE TABLE nowhere (id INT PRIMARY KEY)",
        "CREATE TABLE keyed (a INT, b INT, PRIMARY KEY (a, b))",
        "INSERT INTO here VALUES (1, 'x', POINT(1, 2), 3)",
        "INSERT INTO keyed VALUES (1, 2)",
    )
    postgres(
        target_db,
        'CREATE TABLE here (id int PRIMARY KEY, "Word" text, place point, spare int)',
        "CREATE TABLE keyed (a int PRIMARY KEY, b int)",
        "CREATE TABLE other (id int)",
        "INSERT INTO here VALUES (1, 'y', '(1,2)')",
        "INSERT INTO keyed VALUES (1, 2)",
    )
    found = compared(source_db, target_db)
    assert found.status == verdict.DIFFERENT
    assert sorted(found.unlike) == [
        "column here.gone: the target's here has no column gone",
        "column here.place: point and the target's point have no values in common",
        "key of keyed: the source's is a, b, the target's a",
        "table nowhere: the target has no table public.nowhere",
    ]
    assert found.differences == ["here[1].Word: source 'x', target 'y'"]
    assert set(found.notes) == {
        "column here.spare: only the target has it",
        "table other: only the target has it",
        "unique index here.by_gone: the target has none over its columns",
    }


def test_rules_explain_and_never_hide(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE days (id INT PRIMARY KEY, day DATE NOT NULL, word VARCHAR(9))",
        "INSERT INTO days VALUES (1, '0000-00-00', 'x'), (2, '2024-01-01', 'a\0b'), (3, '0000-00-00', 'x')",
    )
    postgres(
        target_db,
        "CREATE TABLE days (id int PRIMARY KEY, day date, word text)",
        "INSERT INTO days VALUES (1, NULL, 'x'), (2, '2024-01-01', 'ab'), (3, '0001-01-01', 'x')",
    )
    found = compared(source_db, target_db)
    assert found.explained == ["days.day: 2 dates that are none became NULL", "days.word: 1 NUL characters removed"]
    assert found.differences == ["days[3].day: source None, target datetime.date(1, 1, 1)"]


def test_a_migration_is_compared_by_its_spec_with_what_it_set_aside(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE people (id INT PRIMARY KEY, mail VARCHAR(30), state CHAR(1))",
        "INSERT INTO people VALUES (1, 'a@example.com', 'A'), (2, 'a@example.com', 'D'), (3, 'none', 'A'), "
        "(4, NULL, 'A')",
    )
    cleaning = {
        "duplicateRemoval": {"keyFields": ["people.mail"]},
        "dataValidation": {"emailValidation": ["people.mail"]},
    }
    mapping = {"fieldMapping": {"people": {"mail": "email"}}, "valueMapping": {"people.state": {"A": "on", "D": "off"}}}
    written = spec(
        "people",
        data={
            "transformation": {"mapping": mapping, "cleaning": cleaning},
            "loading": {"options": {"errorHandling": {"errorThreshold": 1.0}}},
        },
    )
    assert run_migration(begin(source_db, target_db, written)).status != report.FAILED
    ends = endpoint(source_db), endpoint(target_db)

    def again() -> verdict.Verdict:
        run = start(f"verify__{uuid4().hex[:8]}", written, Params(workers=2), Ledger(), *ends)
        return verify(run, Options())

    found = again()
    assert (found.status, found.rows) == (verdict.SAME, 3), (found.differences, found.unlike)
    assert found.explained == ["people.email: 1 rows were refused: mail holds no valid e-mail address"]
    postgres(target_db, "UPDATE people SET state = 'off' WHERE id = 4")
    assert again().differences == ["people[4].state: source 'on', target 'off'"]


def test_an_interrupted_comparison_goes_on(copied: tuple[Server, Server]) -> None:
    run = comparison(*copied)
    compare.prepare(run, Options())
    first, *rest = compare.pieces(run)
    compare.compare_piece(run, Options(), 0, compare.differing(run), first)
    found = verify(run, Options())
    assert (found.status, [table.done for table in found.tables]) == (verdict.SAME, [1] * (1 + len(rest)))
    seen = [event.detail["chunk"] for event in run.ledger.events(run.id, "verified")]
    assert sorted(seen) == sorted(piece.name for piece in [first, *rest])


def test_a_sample_says_that_it_is_one(copied: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = copied
    mysql(source, "INSERT INTO gone SELECT seq FROM seq_4_to_400", "ANALYZE TABLE gone")
    postgres(target, "INSERT INTO gone SELECT generate_series(4, 400)")
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", 20)
    run = comparison(source, target, tables=("gone",))
    found = verify(run, Options(sample=0.1))
    (table,) = found.tables
    assert found.how.startswith("a sample: 10.00% of the ranges")
    assert table.done == math.ceil(table.of / 10)
    assert 0 < found.rows < 400


def test_what_a_moving_source_brings_is_looked_at_again(copied: tuple[Server, Server]) -> None:
    source, target = copied
    postgres(target, "DELETE FROM gone WHERE id = 1")
    run = comparison(source, target, tables=("gone",))
    compare.prepare(run, Options())
    mysql(source, "UPDATE gone SET id = 10 WHERE id = 3")
    for piece in compare.pieces(run):
        compare.compare_piece(run, Options(), 0, compare.differing(run), piece)
    # Replication brings it, after the first look.
    postgres(target, "UPDATE gone SET id = 10 WHERE id = 3", "INSERT INTO gone VALUES (1)")
    found = verify(run, Options())
    assert (found.status, found.differences) == (verdict.SAME, [])
    assert any(note.startswith("the source was written to meanwhile") for note in found.notes)


def test_bad_input_says_what_to_do(copied: tuple[Server, Server]) -> None:
    source, target = copied
    with pytest.raises(PreflightError, match=r"has no schema elsewhere; name another with --schema"):
        compared(source, target, "elsewhere")
    with role(target, f"GRANT CONNECT ON DATABASE {target.name} TO {{role}}") as name:
        weak = replace(target, user=name, password=SECRET)
        with pytest.raises(PreflightError, match=r"GRANT SET ON PARAMETER session_replication_role TO"):
            compared(source, weak, repair=True)
        postgres(target, f"ALTER ROLE {name} SET default_transaction_read_only = on")
        with pytest.raises(PreflightError, match=r"is read only, and a repair has to write"):
            compared(source, weak, repair=True)
    with pytest.raises(SpecError, match=r"table 'nothing' was asked for"):
        verify(comparison(source, target, tables=("nothing",)), Options())


def test_the_command_line_tells_by_its_exit_code(copied: tuple[Server, Server], tmp_path: Path) -> None:
    source, target = copied
    secrets = {"CUTOVER_SOURCE_PASSWORD": source.password, "CUTOVER_TARGET_PASSWORD": target.password}
    urls = [url.replace(f":{server.password}@", "@") for server in copied for url in [server.url()]]
    call = ["verify", *urls, "--schema", "public"]
    # With the passwords in the URLs, as people write them.
    open_call = ["verify", source.url(), target.url(), "--schema", "public"]
    process = started(open_call)
    seen: list[str] = []
    while process.poll() is None:
        seen.append(Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        time.sleep(0.01)
    out, err = process.communicate()
    same = subprocess.CompletedProcess(open_call, process.returncode, out, err)
    shown = [line for line in seen if line.startswith("cutover verify")]
    assert shown
    assert not [line for line in shown if source.password in line or target.password in line]
    assert (same.returncode, "source and target hold the same, 24 rows" in same.stdout) == (0, True), same.stderr
    postgres(target, "DELETE FROM gone WHERE id = 2")
    file = tmp_path / "verdict.json"
    differs = cutover([*call, "--format", "markdown", "--report", str(file)], secrets)
    assert (differs.returncode, "* gone[2]: only in the source" in differs.stdout) == (1, True), differs.stderr
    told = json.loads(file.read_text())
    assert (told["status"], told["count"]) == ("different", 1)
    mended = cutover([*call, "--repair"], secrets)
    assert (mended.returncode, "gone: 1 rows put in, 0 taken out" in mended.stdout) == (0, True), mended.stderr
    lost = cutover(["verify", urls[0].replace(str(source.port), "1"), *call[2:]], secrets)
    assert (lost.returncode, "cannot be reached" in lost.stderr) == (2, True)
    for output in (same, differs, mended, lost):
        assert source.password not in output.stdout + output.stderr
        assert target.password not in output.stdout + output.stderr
