"""Views, routines, triggers and events, together with the tables that they stand on."""

from __future__ import annotations

import pytest
from helpers import SECRET, account, begin, dump, endpoint, mysql, one, postgres, role, rows, schemas, spec

from cutover import report
from cutover.local.servers import Server
from cutover.report import Report
from cutover.run import NotStartedError, run_migration
from cutover.steps import back

SOURCE = (
    "CREATE TABLE Cameras (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, active TINYINT(1) DEFAULT 1, "
    "counted INT NOT NULL DEFAULT 0, label VARCHAR(60) AS (CONCAT(name, ' #', counted)) STORED)",
    "CREATE TABLE Counts (id INT AUTO_INCREMENT PRIMARY KEY, camera INT NOT NULL, people INT, at DATETIME NOT NULL, "
    "CONSTRAINT of_camera FOREIGN KEY (camera) REFERENCES Cameras (id))",
    "CREATE VIEW active_cameras AS SELECT id, name, UPPER(name) AS shout FROM Cameras WHERE active",
    "CREATE VIEW busy AS SELECT c.name, SUM(n.people) AS people, MAX(n.at) AS seen, COUNT(*) > 1 AS often "
    "FROM active_cameras c JOIN Counts n ON n.camera = c.id GROUP BY c.id, c.name",
    "CREATE FUNCTION people_of(wanted INT) RETURNS INT READS SQL DATA "
    "BEGIN DECLARE n INT; SELECT SUM(people) INTO n FROM Counts WHERE camera = wanted; RETURN COALESCE(n, 0); END",
    "CREATE VIEW totals AS SELECT id, people_of(id) AS people FROM Cameras",
    "CREATE PROCEDURE rename_camera(IN wanted INT, IN called VARCHAR(40), OUT before_ VARCHAR(40)) "
    "BEGIN SELECT name INTO before_ FROM Cameras WHERE id = wanted; "
    "UPDATE Cameras SET name = called WHERE id = wanted; END",
    "CREATE TRIGGER count_it AFTER INSERT ON Counts FOR EACH ROW "
    "UPDATE Cameras SET counted = counted + 1 WHERE id = NEW.camera",
    "CREATE TRIGGER no_crowd BEFORE INSERT ON Counts FOR EACH ROW BEGIN IF NEW.people > 1000 THEN "
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too many people'; END IF; SET NEW.people = NEW.people + 0; END",
    "CREATE EVENT clean ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM Counts WHERE people IS NULL",
    "CREATE PROCEDURE lists() SELECT * FROM Cameras",
    "INSERT INTO Cameras (name, active) VALUES ('gate', 1), ('Yard', 0), ('door', 1)",
    "INSERT INTO Counts (camera, people, at) VALUES (1, 5, '2024-01-01'), (1, 7, '2024-01-02'), (2, 1, '2024-01-03'), "
    "(3, NULL, '2024-01-04')",
)


@pytest.fixture
def counted(source_db: Server) -> Server:
    """A source with code of every kind."""
    mysql(source_db, *SOURCE)
    return source_db


def left_out(told: Report) -> set[str]:
    return {f"{item.kind} {item.name}" for item in told.objects if item.outcome == "left out"}


def test_code_arrives_and_works(counted: Server, target_db: Server) -> None:
    told = run_migration(begin(counted, target_db))
    assert told.status == report.WITH_LOSSES, told.cause
    assert left_out(told) == {"event clean", "procedure lists"}
    assert told.counts["view"]["left out"] == told.counts["trigger"]["left out"] == 0
    # The triggers came after the rows: nothing was counted twice.
    assert rows(target_db, 'SELECT name, counted, label FROM "Cameras" ORDER BY id') == [
        ("gate", 2, "gate #2"),
        ("Yard", 1, "Yard #1"),
        ("door", 1, "door #1"),
    ]
    assert rows(target_db, "SELECT name, people::int, often FROM busy ORDER BY name") == [
        ("door", None, False),
        ("gate", 12, True),
    ]
    assert rows(target_db, "SELECT id, people FROM totals ORDER BY id") == [(1, 12), (2, 1), (3, 0)]
    assert one(target_db, "SELECT count(*) FROM active_cameras") == 2
    postgres(target_db, "INSERT INTO \"Counts\" (camera, people, at) VALUES (2, 9, '2024-02-01')")
    assert one(target_db, 'SELECT label FROM "Cameras" WHERE id = 2') == "Yard #2"
    with pytest.raises(Exception, match="too many people"):
        postgres(target_db, "INSERT INTO \"Counts\" (camera, people, at) VALUES (2, 1001, '2024-02-01')")
    assert rows(target_db, "CALL rename_camera(2, 'yard', NULL)") == [("Yard",)]
    postgres(target_db, "CALL cutover_event_clean()")
    assert one(target_db, 'SELECT count(*) FROM "Counts" WHERE people IS NULL') == 0


def test_code_finds_its_tables_whatever_the_search_path(counted: Server, target_db: Server) -> None:
    run_migration(begin(counted, target_db, spec(into="shop")))
    assert one(target_db, "SELECT shop.people_of(1)") == 12
    postgres(target_db, "INSERT INTO shop.\"Counts\" (camera, people, at) VALUES (3, 9, '2024-02-01')")
    assert one(target_db, 'SELECT counted FROM shop."Cameras" WHERE id = 3') == 2


def test_what_could_not_be_translated_is_left_as_a_frame(counted: Server, target_db: Server) -> None:
    from cutover.steps.publish import publish

    run = begin(counted, target_db)
    run_migration(run)
    publish(run)
    text = (run.folder / "left_out.sql").read_text()
    assert "-- procedure lists: SELECT that returns rows to the client" in text
    postgres(target_db, text)
    with pytest.raises(Exception, match="lists is not translated yet"):
        postgres(target_db, "CALL lists()")


@pytest.mark.slow
def test_the_way_back_takes_code_along(counted: Server, target_db: Server) -> None:
    before = dump(target_db)
    first = begin(counted, target_db)
    run_migration(first)
    mysql(counted, "DROP VIEW totals", "DROP TRIGGER count_it", "CREATE VIEW fresh AS SELECT 1 AS one FROM Counts")
    second = begin(counted, target_db)
    assert run_migration(second).cause is None
    views = "SELECT viewname FROM pg_views WHERE schemaname = 'public' ORDER BY 1"
    assert rows(target_db, views) == [("active_cameras",), ("busy",), ("fresh",)]
    back.rollback(second)
    back.validate_rollback(second)
    assert rows(target_db, views) == [("active_cameras",), ("busy",), ("totals",)]
    postgres(target_db, "INSERT INTO \"Counts\" (camera, people, at) VALUES (1, 3, '2024-02-01')")
    assert rows(target_db, "SELECT people FROM totals WHERE id = 1") == [(15,)]
    assert one(target_db, 'SELECT counted FROM "Cameras" WHERE id = 1') == 3
    # Undoing the only run that is left: its own schema is gone since the second run, so it can be no more.
    assert schemas(target_db) == {"public"}
    assert before != dump(target_db)


@pytest.mark.slow
def test_rolling_back_the_first_run_leaves_nothing(counted: Server, target_db: Server) -> None:
    before = dump(target_db)
    run = begin(counted, target_db)
    run_migration(run)
    back.rollback(run)
    back.validate_rollback(run)
    assert dump(target_db) == before


def test_code_of_another_hand_is_not_replaced(counted: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE VIEW busy AS SELECT 1 AS mine")
    with pytest.raises(NotStartedError, match="view busy were not made by this"):
        run_migration(begin(counted, target_db))
    assert one(target_db, "SELECT mine FROM busy") == 1


@pytest.mark.slow
def test_names_in_lower_case(counted: Server, target_db: Server) -> None:
    mysql(counted, "CREATE TRIGGER Upper_Case BEFORE UPDATE ON Counts FOR EACH ROW SET NEW.people = 0")
    told = run_migration(begin(counted, target_db, spec(schema={"settings": {"tables": {"identifiers": "fold"}}})))
    assert told.status == report.WITH_LOSSES, told.cause
    assert left_out(told) == {"event clean", "procedure lists"}
    postgres(target_db, "UPDATE counts SET people = 4")
    assert one(target_db, "SELECT sum(people)::int FROM counts, cameras WHERE cameras.id = camera") == 0
    assert one(target_db, "SELECT people_of(1)") == 0


def test_names_that_would_be_one_are_refused(source_db: Server, target_db: Server) -> None:
    mysql(source_db, "CREATE TABLE a (id INT)", "CREATE TABLE A (id INT)")
    with pytest.raises(NotStartedError, match=r"'(a|A)' and '(a|A)' would both be called 'a'"):
        run_migration(begin(source_db, target_db, spec(schema={"settings": {"tables": {"identifiers": "fold"}}})))


@pytest.mark.slow
def test_switches_leave_code_behind_knowingly(counted: Server, target_db: Server) -> None:
    off = {"preserveViews": False, "preserveTriggers": False, "preserveStoredProcedures": False}
    told = run_migration(
        begin(counted, target_db, spec(schema={"settings": {"tables": {"options": off}}}), allow_losses=False)
    )
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(target_db, "SELECT 1 FROM pg_views WHERE schemaname = 'public'") == []
    assert rows(target_db, "SELECT 1 FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == []


def test_a_view_with_its_callers_rights_keeps_them(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "CREATE SQL SECURITY INVOKER VIEW closed AS SELECT id FROM t",
        "CREATE VIEW open_ AS SELECT id FROM t",
    )
    assert run_migration(begin(source_db, target_db)).status == report.COMPLETED
    with role(target_db) as name:
        postgres(target_db, f"GRANT SELECT ON closed, open_ TO {name}")
        as_role = f"SET ROLE {name}; SELECT count(*) FROM"
        postgres(target_db, f"{as_role} open_")
        with pytest.raises(Exception, match="permission denied for table t"):
            postgres(target_db, f"{as_role} closed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rights", "unseen"),
    [
        ("SELECT", {"triggers", "events", "routines"}),
        ("SELECT, TRIGGER, EXECUTE", {"events"}),
        ("SELECT, TRIGGER, EVENT, CREATE ROUTINE", set()),
    ],
)
def test_what_the_account_is_not_told_of_is_a_loss(
    source_db: Server, target_db: Server, rights: str, unseen: set[str]
) -> None:
    mysql(source_db, *SOURCE)
    with account(source_db, f"GRANT {rights} ON {source_db.name}.* TO {{account}}") as name:
        reader = endpoint(source_db, user=name, password=SECRET)
        told = run_migration(begin(reader, target_db))
        wanted = {"schema": {"settings": {"tables": {"options": {"preserveTriggers": False}}}}}
        again = run_migration(begin(reader, target_db, spec(**wanted), mode="dry_run"))
    may_not = "the account may not see whether there are any: GRANT"
    assert {loss.split(":")[0] for loss in told.losses if may_not in loss} == unseen
    assert {loss.split(":")[0] for loss in again.losses if may_not in loss} == unseen - {"triggers"}
