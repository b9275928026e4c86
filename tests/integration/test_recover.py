"""Rows that the target itself refuses: found, named, and no reason to leave the others behind."""

from __future__ import annotations

import pytest
from helpers import begin, differences, finished, mysql, one, postgres, rows, spec

from cutover.errors import DataError
from cutover.local.servers import Server
from cutover.run import run_migration
from cutover.steps import check, move

# A rule of the house, that the target lays on every new table.
RULE = (
    """CREATE FUNCTION short_words() RETURNS event_trigger LANGUAGE plpgsql AS $body$
    DECLARE made record;
    BEGIN
        FOR made IN SELECT * FROM pg_event_trigger_ddl_commands()
            WHERE schema_name LIKE 'cutover!_%' ESCAPE '!' AND object_type = 'table' AND object_identity ~ '[.][tu]$'
        LOOP EXECUTE format('ALTER TABLE %s ADD CHECK (length(word) <= 3)', made.objid::regclass); END LOOP;
    END $body$""",
    "CREATE EVENT TRIGGER short_words ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION short_words()",
)


def lenient(most: int = 9, share: float = 1.0, **options: object) -> dict[str, object]:
    """Data parts that let rows be refused."""
    return {"loading": {"options": {"errorHandling": {"maxErrors": most, "errorThreshold": share} | options}}}


@pytest.fixture
def source(source_db: Server, target_db: Server) -> Server:
    """Of 20,003 rows, in three batches, four are too long; and a table without a key has one twice."""
    postgres(target_db, *RULE)
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY, word VARCHAR(20))",
        "INSERT INTO t SELECT seq, CASE WHEN seq IN (1, 777, 10000, 20003) THEN 'long' ELSE 'abc' END "
        "FROM seq_1_to_20003",
        "CREATE TABLE u (n INT, word VARCHAR(20), tags SET('a', 'b'))",
        "INSERT INTO u VALUES (1, 'abc', ''), (2, 'long', 'a,b'), (2, 'long', 'a,b'), (NULL, NULL, NULL)",
    )
    return source_db


@pytest.mark.parametrize("staged", [False, True])
def test_the_others_arrive(source: Server, target_db: Server, staged: bool) -> None:
    run = begin(source, target_db, spec(data=lenient()))
    if staged:
        check.preflight(run)
        check.make_plan(run)
        move.create_schema(run)
        for step in (move.extract_batch, move.transform_batch, move.load_batch):
            for number in range(len(run.plan.batches)):
                step(run, number)
        move.finish_schema(run)
        assert differences(run) == []
        assert one(target_db, f"SELECT count(*) FROM {run.shadow}.t") == 19_999
        return
    told = run_migration(run)
    assert (told.cause, told.status) == (None, "completed with losses")
    why = 'the target refuses it: new row for relation "t" violates check constraint "t_word_check"; keys'
    lost = [loss for loss in told.losses if "rows set aside, the target refuses it" in loss]
    assert [(loss[:17], loss.partition("keys ")[2]) for loss in lost] == [
        ("t: 4 rows set asi", '{"id": 1}, {"id": 777}, {"id": 10000}, {"id": 20003}'),
        ("u: 2 rows set asi", ", ".join(['{"n": 2, "word": "long", "tags": ["a", "b"]}'] * 2)),
    ]
    assert why in lost[0]
    assert rows(target_db, "SELECT count(*), count(DISTINCT id) FROM t") == [(19_999, 19_999)]
    assert rows(target_db, "SELECT n FROM u ORDER BY 1") == [(1,), (None,)]


def test_damage_beside_them_is_found(source: Server, target_db: Server) -> None:
    run = finished(begin(source, target_db, spec(data=lenient())))
    postgres(target_db, f"DELETE FROM {run.shadow}.t WHERE id = 778", f"INSERT INTO {run.shadow}.u VALUES (2, 'x')")
    assert differences(run) == ["t[778]: only in the source", "u[2, x, NULL]: only in the target"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lenient(most=3), "t: more than maxErrors 3 rows are refused, the last: the target refuses it"),
        (lenient(share=0.3), "u: 2 of 4 rows were refused, more than errorThreshold 30.00%"),
        (lenient(errorRecovery=False), r"loading (t|u)-00000 on .*: .*violates check constraint"),
    ],
)
def test_too_many_end_the_run(source: Server, target_db: Server, data: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        finished(begin(source, target_db, spec(data=data)))
