"""Stored programs do in PostgreSQL what they did in MariaDB: the same calls give the same results and rows."""

from __future__ import annotations

import MySQLdb
import psycopg
import pytest
from helpers import mysql, postgres, rows
from paired import ITEMS, RELATIONS, SOURCE, TARGET, Pair, type_of

from cutover.local.servers import Server
from cutover.schema.model import Event
from cutover.schema.programs import translate_event
from cutover.schema.rewrite.scope import Scope, UntranslatableError


@pytest.fixture
def pair(source_db: Server, target_db: Server) -> Pair:
    # Functions need not say what they do, and procedures may call themselves.
    settings = ("SET GLOBAL log_bin_trust_function_creators = 1", "SET GLOBAL max_sp_recursion_depth = 10")
    mysql(source_db, *settings, *SOURCE, ITEMS)
    postgres(target_db, *TARGET, ITEMS)
    return Pair(source_db, target_db)


def test_functions_return_what_they_did(pair: Pair) -> None:
    pair.carry(
        "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
        "CREATE FUNCTION is_dear(amount DECIMAL(8,2)) RETURNS BOOLEAN BEGIN "
        "IF amount > 50 THEN RETURN TRUE; ELSE RETURN FALSE; END IF; END",
        "CREATE FUNCTION rounded(n DECIMAL(5,1)) RETURNS DECIMAL(6,2) RETURN n * 1.11111",
        "CREATE FUNCTION padded(c CHAR(5)) RETURNS VARCHAR(20) BEGIN "
        "DECLARE d CHAR(4) DEFAULT 'a  '; RETURN CONCAT('[', c, '][', d, ']'); END",
        "CREATE FUNCTION factorial(n INT) RETURNS BIGINT BEGIN "
        "DECLARE Result BIGINT DEFAULT 1; DECLARE i INT DEFAULT 1; "
        "WHILE i <= n DO SET RESULT = result * i, i = i + 1; END WHILE; RETURN result; END",
        "CREATE FUNCTION word(n INT) RETURNS VARCHAR(10) BEGIN "
        "CASE n WHEN 1 THEN RETURN 'one'; WHEN 2 THEN RETURN 'two'; ELSE BEGIN END; END CASE; "
        "CASE WHEN n > 100 THEN RETURN 'many'; ELSE RETURN 'some'; END CASE; END",
        "CREATE FUNCTION four(n INT) RETURNS INT RETURN twice(twice(n))",
        "CREATE FUNCTION next_to(n SMALLINT) RETURNS INT RETURN twice(n + 1) + (SELECT twice(COUNT(*)) FROM item)",
    )
    pair.same("SELECT twice(21), four(3), next_to(7), factorial(10), rounded(2.36), rounded(-0.05)")
    pair.same("SELECT is_dear(50), is_dear(50.01), is_dear(NULL)")
    pair.same("SELECT padded('ab   '), word(1), word(2), word(3), word(300), word(NULL)")
    pair.same("SELECT id FROM item WHERE is_dear(price) = 1")


def test_names_of_variables_go_before_columns(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE shadow(IN id INT, OUT found INT, OUT stock INT) BEGIN "
        "DECLARE name VARCHAR(20) DEFAULT 'zzz'; DECLARE total INT; "
        "SELECT COUNT(*) INTO found FROM item WHERE id = id AND item.id > 1; "
        "SELECT SUM(item.stock) INTO total FROM item WHERE item.id = id; SET stock = total; "
        "INSERT INTO item (id, name, stock) VALUES (id + 10, name, id); "
        "UPDATE item SET name = CONCAT(name, '!') WHERE item.id = 2; "
        "BEGIN DECLARE id INT DEFAULT 77; INSERT INTO log (n, what) VALUES (id, name); END; "
        "INSERT INTO log VALUES (id, 'outer'); END",
    )
    assert pair.call("shadow", 3, out=2) == (2, 7)
    assert pair.same("SELECT name FROM item WHERE id = 2") == [("zzz!",)]


def test_cursor_loops(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE walk(IN least INT, OUT words VARCHAR(200), OUT last INT) BEGIN\n"
        "  DECLARE done INT DEFAULT FALSE;\n"
        "  DECLARE a INT; DECLARE b VARCHAR(20);\n"
        "  DECLARE c CURSOR FOR SELECT id, name FROM item WHERE stock >= least ORDER BY id DESC;\n"
        "  DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE;\n"
        "  SET words = '';\n"
        "  OPEN c;\n"
        "  read_loop: LOOP\n"
        "    FETCH c INTO a, b;\n"
        "    IF done THEN LEAVE read_loop; END IF;\n"
        "    IF a = 2 THEN ITERATE read_loop; END IF;\n"
        "    SET words = CONCAT(words, b, ';');\n"
        "    INSERT INTO item (id, name, stock) VALUES (a + 100, b, 9);\n"
        "  END LOOP read_loop;\n"
        "  CLOSE c;\n"
        "  SET last = a;\n"
        "END",
        "CREATE PROCEDURE repeating(OUT total INT) BEGIN "
        "DECLARE done, n INT DEFAULT 0; DECLARE c CURSOR FOR SELECT stock FROM item; "
        "DECLARE CONTINUE HANDLER FOR SQLSTATE '02000' SET done = 1; SET total = 0; OPEN c; "
        "REPEAT FETCH c INTO n; IF NOT done THEN SET total = total + n; END IF; UNTIL done END REPEAT; CLOSE c; END",
        "CREATE PROCEDURE down(IN n INT, INOUT words VARCHAR(100)) BEGIN DECLARE x INT; "
        "DECLARE c CURSOR FOR SELECT id FROM item WHERE id <= n; OPEN c; FETCH c INTO x; "
        "SET words = CONCAT(words, n, ','); IF n > 1 THEN CALL down(n - 1, words); END IF; CLOSE c; END",
        "CREATE PROCEDURE start_down(OUT words VARCHAR(100)) BEGIN SET words = ':'; CALL down(3, words); END",
    )
    assert pair.call("walk", 0, out=2) == ("cat;ant;", 1)
    pair.call("walk", 100, out=2)
    pair.call("repeating", out=1)
    assert pair.call("start_down", out=1) == (":3,2,1,",)


def test_select_into_without_a_row_keeps_the_variables(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE look(IN wanted INT, OUT v INT, OUT w VARCHAR(20), OUT seen VARCHAR(20)) BEGIN "
        "DECLARE CONTINUE HANDLER FOR NOT FOUND SET seen = 'none'; SET v = -1, w = 'kept', seen = 'one'; "
        "SELECT stock, name INTO v, w FROM item WHERE id = wanted; END",
        "CREATE PROCEDURE unhandled(IN wanted INT, OUT v INT) BEGIN "
        "SET v = -1; SELECT stock INTO v FROM item WHERE id = wanted; END",
        "CREATE PROCEDURE limited(IN wanted INT, OUT v INT) BEGIN "
        "SET v = -1; SELECT stock FROM item WHERE id >= wanted ORDER BY id DESC LIMIT 1 INTO v; END",
        "CREATE FUNCTION held(wanted INT) RETURNS INT BEGIN DECLARE v INT; "
        "DECLARE EXIT HANDLER FOR NOT FOUND RETURN NULL; "
        "SELECT stock INTO v FROM item WHERE id = wanted; RETURN v; END",
        "CREATE PROCEDURE nested(OUT o VARCHAR(40)) BEGIN "
        "DECLARE EXIT HANDLER FOR NOT FOUND SET o = CONCAT(o, ' outer'); SET o = 'begin'; "
        "BEGIN DECLARE v INT; DECLARE EXIT HANDLER FOR NOT FOUND SET o = CONCAT(o, ' inner'); "
        "SELECT id INTO v FROM item WHERE id = -1; SET o = CONCAT(o, ' never'); END; "
        "BEGIN DECLARE v INT; SELECT id INTO v FROM item WHERE id = -1; SET o = CONCAT(o, ' never'); END; "
        "SET o = CONCAT(o, ' never'); END",
        "CREATE PROCEDURE aggregated(IN wanted INT, OUT n INT, OUT m INT) BEGIN "
        "SELECT COUNT(*), MAX(stock) INTO n, m FROM item WHERE id > wanted; END",
        "CREATE PROCEDURE several(OUT v INT) BEGIN SELECT id INTO v FROM item ORDER BY id; END",
    )
    assert pair.call("look", 1, out=3) == (3, "ant", "one")
    assert pair.call("look", 9, out=3) == (-1, "kept", "none")
    assert pair.call("unhandled", 9, out=1) == (-1,)
    assert pair.call("limited", 2, out=1) == (7,)
    assert pair.call("limited", 9, out=1) == (-1,)
    pair.same("SELECT held(1), held(9)")
    assert pair.call("nested", out=1) == ("begin inner outer",)
    pair.call("aggregated", 1, out=2)
    pair.call("aggregated", 9, out=2)
    with pytest.raises(MySQLdb.Error, match="more than one row"):
        mysql(pair.source, "CALL several(@v)")
    with pytest.raises(psycopg.errors.TooManyRows, match="more than one row"):
        postgres(pair.target, "CALL several(NULL)")


def test_fetch_beyond_the_end_without_a_handler_is_an_error(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE beyond() BEGIN DECLARE v INT; DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; BEGIN "
        "DECLARE c CURSOR FOR SELECT id FROM item WHERE id < 0; OPEN c; FETCH c INTO v; END; END"
    )
    with pytest.raises(MySQLdb.Error, match="No data"):
        mysql(pair.source, "CALL beyond()")
    with pytest.raises(psycopg.Error, match="No data"):
        postgres(pair.target, "CALL beyond()")


def test_leave_and_iterate(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE leaving(IN n INT, OUT o VARCHAR(60), OUT amount DECIMAL(4,1)) proc: BEGIN "
        "SET o = 'a', amount = 1.25; IF n = 0 THEN LEAVE proc; END IF; SET o = CONCAT(o, 'b'); "
        "inner_block: BEGIN IF n = 1 THEN LEAVE inner_block; END IF; IF n = 2 THEN LEAVE proc; END IF; "
        "SET o = CONCAT(o, 'c'); END inner_block; SET o = CONCAT(o, 'd'); END proc",
        "CREATE PROCEDURE repeated(OUT n INT, OUT m INT) BEGIN SET n = 0, m = 0; "
        "again: REPEAT SET n = n + 1; IF n < 5 THEN ITERATE again; END IF; SET m = m + 1; "
        "UNTIL n >= 3 END REPEAT again; "
        "outer_loop: WHILE n < 20 DO SET n = n + 1; "
        "LOOP SET n = n + 2; IF n > 12 THEN LEAVE outer_loop; END IF; ITERATE outer_loop; END LOOP; "
        "END WHILE; END",
    )
    for number in range(4):
        pair.call("leaving", number, out=2)
    pair.call("repeated", out=2)


def test_handlers_for_errors_keep_what_was_done_before(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE add_one(IN i INT, OUT o VARCHAR(60)) BEGIN "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION SET o = CONCAT(o, ' failed'); SET o = 'began'; "
        "INSERT INTO log VALUES (i, 'before'); INSERT INTO item (id, name) VALUES (i, 'new'); "
        "INSERT INTO log VALUES (i, 'after'); SET o = CONCAT(o, ' done'); END",
        "CREATE PROCEDURE add_all(OUT bad INT) BEGIN DECLARE i INT DEFAULT 0; "
        "DECLARE CONTINUE HANDLER FOR 1062 SET bad = bad + 1; SET bad = 0; "
        "WHILE i < 6 DO SET i = i + 1; INSERT INTO item (id, name) VALUES (i, 'x'), (i + 50, 'y'); "
        "INSERT INTO log VALUES (i, 'tried'); END WHILE; END",
        "CREATE PROCEDURE ranked(IN which INT, OUT o VARCHAR(40)) BEGIN "
        "DECLARE own CONDITION FOR SQLSTATE '45000'; SET o = ''; BEGIN "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION SET o = 'any'; DECLARE EXIT HANDLER FOR own SET o = 'own'; "
        "DECLARE EXIT HANDLER FOR SQLSTATE '23000' SET o = 'integrity'; "
        "IF which = 1 THEN SIGNAL own; ELSEIF which = 2 THEN SIGNAL SQLSTATE '45001' SET MESSAGE_TEXT = 'x'; "
        "ELSEIF which = 3 THEN INSERT INTO item (id) VALUES (1); END IF; SET o = 'none'; END; END",
        "CREATE PROCEDURE resignals(IN i INT, OUT o VARCHAR(60)) BEGIN "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION SET o = CONCAT(o, ' outer'); SET o = 'in'; BEGIN "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN SET o = CONCAT(o, ' inner'); RESIGNAL; SET o = 'never'; END; "
        "INSERT INTO item (id) VALUES (i); SET o = CONCAT(o, ' fine'); END; SET o = CONCAT(o, ' after'); END",
        "CREATE PROCEDURE either(IN i INT, OUT o VARCHAR(60)) BEGIN DECLARE v INT; "
        "DECLARE CONTINUE HANDLER FOR NOT FOUND, SQLEXCEPTION SET o = CONCAT(o, ' handled'); SET o = ''; "
        "SELECT id INTO v FROM item WHERE id >= i ORDER BY id; SET o = CONCAT(o, ' ', IFNULL(v, 'null')); END",
    )
    for number in (1, 60):
        pair.call("add_one", number, out=1)
    pair.call("add_all", out=1)
    for number in range(4):
        pair.call("ranked", number, out=1)
    assert pair.call("resignals", 1, out=1) == ("in inner outer",)
    pair.call("resignals", 90, out=1)
    for number in (1, 90, 99):
        pair.call("either", number, out=1)


def test_signals_carry_state_and_message(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE refuse(IN m VARCHAR(300)) BEGIN "
        "IF m IS NULL THEN SIGNAL SQLSTATE '45001'; END IF; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = m; END",
    )
    for argument, state in (("'It''s no'", "45000"), ("REPEAT('x', 200)", "45000"), ("NULL", "45001")):
        with pytest.raises(MySQLdb.Error) as theirs:
            mysql(pair.source, f"CALL refuse({argument})")
        with pytest.raises(psycopg.Error) as ours:
            postgres(pair.target, f"CALL refuse({argument})")
        assert ours.value.diag.message_primary == theirs.value.args[1]
        assert ours.value.sqlstate == state


def test_procedures_call_each_other(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE inside(IN a SMALLINT, INOUT b DECIMAL(6,2), OUT c VARCHAR(9)) BEGIN "
        "SET b = b + a, c = CONCAT('a=', a); INSERT INTO log VALUES (a, c); SET a = 0; END",
        "CREATE PROCEDURE outside(OUT x DECIMAL(8,3), OUT y VARCHAR(30)) BEGIN DECLARE n BIGINT DEFAULT 4; "
        "SET x = 1.005; CALL inside(n + 1, x, y); CALL inside(n, x, y); END",
    )
    pair.call("outside", out=2)


def test_before_triggers_change_the_new_row(pair: Pair) -> None:
    pair.carry(
        "CREATE TRIGGER fill BEFORE INSERT ON item FOR EACH ROW "
        "SET NEW.name = UPPER(NEW.name), NEW.stock = IFNULL(NEW.stock, 5)",
        "CREATE TRIGGER bounds BEFORE UPDATE ON item FOR EACH ROW BEGIN "
        "IF NEW.stock < 0 THEN SET NEW.stock = 0; ELSEIF NEW.stock > OLD.stock + 10 THEN "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'too many'; END IF; END",
        "CREATE TRIGGER keep BEFORE DELETE ON item FOR EACH ROW "
        "IF OLD.id = 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'one stays'; END IF",
    )
    pair.both("INSERT INTO item (id, name) VALUES (4, 'dog'), (5, NULL)")
    pair.both("UPDATE item SET stock = stock - 4")
    pair.both("DELETE FROM item WHERE id = 2")
    for statement in ("UPDATE item SET stock = 100 WHERE id = 4", "DELETE FROM item"):
        with pytest.raises(MySQLdb.Error) as theirs:
            mysql(pair.source, statement)
        with pytest.raises(psycopg.Error, match=theirs.value.args[1]) as ours:
            postgres(pair.target, statement)
        assert ours.value.sqlstate == "45000"
    assert len(pair.same("SELECT name, stock FROM item ORDER BY id")) == 4


def test_after_triggers_write_elsewhere(pair: Pair) -> None:
    made = pair.carry(
        "CREATE TRIGGER added AFTER INSERT ON item FOR EACH ROW BEGIN "
        "INSERT INTO log (n, what) VALUES (NEW.id, CONCAT('added ', NEW.name)); END",
        "CREATE TRIGGER changed AFTER UPDATE ON item FOR EACH ROW BEGIN "
        "IF OLD.name <> NEW.name OR OLD.stock != NEW.stock THEN "
        "INSERT INTO log VALUES (NEW.id, CONCAT(OLD.name, ' is ', NEW.name)); END IF; END",
        "CREATE TRIGGER removed AFTER DELETE ON item FOR EACH ROW DELETE FROM log WHERE n = OLD.id",
    )
    pair.both("INSERT INTO item (id, name, stock) VALUES (4, 'dog', 1), (5, 'eel', 2)")
    pair.both("UPDATE item SET name = 'fox' WHERE id >= 4")
    pair.both("UPDATE item SET price = 3")
    pair.both("DELETE FROM item WHERE id = 5")
    assert pair.same("SELECT n, what FROM log ORDER BY what") == [(4, "added dog"), (4, "dog is fox")]
    assert made["added"].table == "item"
    assert made["added"].signature == '"cutover_trigger_added"()'


def test_triggers_read_with_queries_and_cursors(pair: Pair) -> None:
    pair.carry(
        "CREATE TRIGGER counted BEFORE INSERT ON log FOR EACH ROW main: BEGIN "
        "DECLARE found INT DEFAULT -1; DECLARE label VARCHAR(20); DECLARE done BOOL DEFAULT FALSE; "
        "DECLARE c CURSOR FOR SELECT name FROM item WHERE id < NEW.n ORDER BY id; "
        "DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = TRUE; "
        "SELECT stock INTO found FROM item WHERE id = NEW.n; "
        "IF done THEN SET NEW.what = CONCAT(NEW.what, '?'); LEAVE main; END IF; "
        "SET NEW.what = CONCAT(NEW.what, found, ':'); OPEN c; "
        "WHILE NOT done DO FETCH c INTO label; IF NOT done THEN SET NEW.what = CONCAT(NEW.what, label); END IF; "
        "END WHILE; CLOSE c; INSERT INTO item (id, name) SELECT NEW.n + 100, NEW.what FROM item WHERE id = NEW.n; END"
    )
    for number in (0, 1, 3):
        pair.both(f"INSERT INTO log VALUES ({number}, 'w')")
    assert pair.same("SELECT what FROM log ORDER BY n") == [("w?",), ("w3:",), ("w7:antbee",)]


def test_triggers_fire_in_the_source_s_order(pair: Pair) -> None:
    made = pair.carry(
        "CREATE TRIGGER zebra BEFORE INSERT ON item FOR EACH ROW SET NEW.name = CONCAT(NEW.name, 'z')",
        "CREATE TRIGGER apple BEFORE INSERT ON item FOR EACH ROW FOLLOWS zebra SET NEW.name = CONCAT(NEW.name, 'a')",
    )
    pair.both("INSERT INTO item (id, name) VALUES (4, 'x')")
    assert pair.same("SELECT name FROM item WHERE id = 4") == [("xza",)]
    assert [made[name].name for name in ("zebra", "apple")] == ["001_zebra", "002_apple"]


def test_an_event_becomes_a_procedure(pair: Pair) -> None:
    event = Event("nightly", "EVERY 1 DAY", "UPDATE item SET stock = stock + 1 WHERE stock IS NOT NULL")
    made = translate_event(event, Scope(pair.source.name, RELATIONS), type_of)
    postgres(pair.target, *made.statements, f"CALL {made.name}()")
    mysql(pair.source, event.body)
    pair.same()


def test_handlers_in_functions_and_triggers_only_read(pair: Pair) -> None:
    """Inside a function or trigger MySQL keeps what a statement did before it failed; PostgreSQL does not."""
    pair.carry(
        "CREATE FUNCTION safe(i INT) RETURNS INT BEGIN DECLARE v INT; "
        "DECLARE EXIT HANDLER FOR SQLEXCEPTION RETURN -2; DECLARE EXIT HANDLER FOR NOT FOUND RETURN -1; "
        "SELECT stock INTO v FROM item WHERE id >= i; RETURN v; END"
    )
    pair.same("SELECT safe(1), safe(3), safe(4)")
    mysql(
        pair.source,
        "CREATE FUNCTION adds() RETURNS INT BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; "
        "INSERT INTO item (id) VALUES (50), (1); RETURN 1; END",
    )
    with pytest.raises(UntranslatableError, match="a handler for errors in a function that writes"):
        pair.translated()


def test_values_become_what_the_variables_hold(pair: Pair) -> None:
    pair.carry(
        "CREATE PROCEDURE fits(IN a DECIMAL(9,4), OUT i INT, OUT d DECIMAL(5,1), OUT t VARCHAR(9), OUT q DECIMAL(8,2), "
        "OUT w VARCHAR(30)) BEGIN DECLARE c CURSOR FOR SELECT price, id FROM item ORDER BY id; "
        "SET i = a, d = a, t = i, q = a / 3; OPEN c; FETCH c INTO d, w; CLOSE c; "
        "SELECT AVG(price), MAX(id) INTO q, w FROM item; SET w = CONCAT(w, ':', q, ':', d, ':', a > 2); END",
        "CREATE PROCEDURE too_long() BEGIN DECLARE v VARCHAR(3); SET v = 'four'; END",
        "CREATE PROCEDURE too_much() BEGIN DECLARE v DECIMAL(3,1); SET v = 99.96; END",
    )
    for number in ("2.5", "-2.5", "3.3333"):
        pair.call("fits", number, out=5)
    for name in ("too_long", "too_much"):
        with pytest.raises(MySQLdb.Error):
            mysql(pair.source, f"CALL {name}()")
        with pytest.raises(psycopg.Error):
            postgres(pair.target, f"CALL {name}()")


def test_signatures_name_what_was_made(pair: Pair) -> None:
    made = pair.carry(
        "CREATE FUNCTION f(a VARCHAR(5), b DECIMAL(5,2)) RETURNS DATETIME DETERMINISTIC RETURN NULL",
        "CREATE PROCEDURE p(a INT, OUT b DATETIME, INOUT c CHAR(3)) BEGIN END",
    )
    for program in made.values():
        postgres(pair.target, f"ALTER ROUTINE {program.signature} SET search_path = public")
        postgres(pair.target, f"DROP ROUTINE {program.signature}")
    assert rows(pair.target, "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == []


def test_probes_find_what_the_target_has_not(pair: Pair) -> None:
    mysql(pair.source, "CREATE FUNCTION f(a INT) RETURNS INT BEGIN INSERT INTO log VALUES (a, a); RETURN a; END")
    (program,) = pair.translated().values()
    assert "CAST(NULL AS integer)" in program.probes[0]
    postgres(pair.target, "DROP TABLE log")
    with pytest.raises(psycopg.errors.UndefinedTable):
        postgres(pair.target, f"PREPARE probe AS {program.probes[0]}")


@pytest.mark.parametrize(
    ("body", "construct"),
    [
        ("BEGIN SELECT 1; END", "SELECT that returns rows to the client"),
        ("BEGIN START TRANSACTION; COMMIT; END", "transaction"),
        ("BEGIN SET @x = 1; END", "user variable @x"),
        ("BEGIN CREATE TEMPORARY TABLE x (a INT); END", "CREATE TEMPORARY TABLE"),
    ],
)
def test_what_is_refused_is_named(pair: Pair, body: str, construct: str) -> None:
    mysql(pair.source, f"CREATE PROCEDURE p() {body}")
    with pytest.raises(UntranslatableError, match=construct):
        pair.translated()
