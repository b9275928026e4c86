"""Stored programs: what is read, what is refused and by which name, and what a person is given to fill in."""

from __future__ import annotations

import pytest

from cutover.dialects import mysql_types
from cutover.schema.model import Column, Event, ForeignKey, Parameter, Routine, Table, Trigger
from cutover.schema.programs import Program, skeleton, translate_routine, translate_trigger
from cutover.schema.programs.declared import declared
from cutover.schema.programs.lexer import tokens
from cutover.schema.programs.parse import parse
from cutover.schema.programs.syntax import (
    Block,
    Call,
    Case,
    Condition,
    DeclareCursor,
    DeclareHandler,
    DeclareVariable,
    Fetch,
    If,
    Leave,
    Loop,
    Return,
    SelectInto,
    Set,
    Signal,
    Sql,
)
from cutover.schema.rewrite.scope import Attribute, Relation, Scope, UntranslatableError


def type_of(type_: str) -> Attribute:
    travel = mysql_types.travel(type_)
    if travel is None:
        raise KeyError(type_)
    return Attribute("", travel.target_type, "integer" if travel.arrow.startswith("int") else "text", ignores_case=True)


ITEM = Relation("item", {"id": Attribute("id", "integer", "integer"), "name": Attribute("label", "text", "text")})
SCOPE = Scope("shop", {"item": ITEM}, functions={"twice": Attribute("twice", "integer", "integer")})


def procedure(body: str, *parameters: Parameter) -> Program:
    return translate_routine(Routine("p", parameters, body), SCOPE, type_of)


def function(body: str, *parameters: Parameter, deterministic: bool = False) -> Program:
    return translate_routine(Routine("f", parameters, body, "int(11)", deterministic), SCOPE, type_of)


def trigger(body: str, timing: str = "BEFORE", event: str = "INSERT", table: Table | None = None) -> Program:
    return translate_trigger(Trigger("t", "item", timing, event, body), SCOPE, type_of, table=table)


def test_a_body_is_read_whole() -> None:
    body = """main: BEGIN
      # a comment; with 'a quote
      DECLARE a, b INT UNSIGNED DEFAULT (1 + 2); -- another
      DECLARE c CURSOR FOR SELECT id FROM item WHERE name = 'x;''y\\'z' /* ; */ ORDER BY 1;
      DECLARE CONTINUE HANDLER FOR NOT FOUND, SQLSTATE VALUE '23000', 1062 SET a = 1, b = 2;
      l1: WHILE a < CASE WHEN b THEN 1 ELSE 2 END DO
        FETCH NEXT FROM c INTO a;
        IF a = IF(b, 1, 2) THEN LEAVE l1; ELSEIF b THEN CALL shop.p(a, (b)); ELSE RETURN 3; END IF;
      END WHILE l1;
      CASE a WHEN 1 THEN BEGIN END; END CASE;
      SELECT id, name INTO a, b FROM item LIMIT 1;
      SELECT id FROM item INTO a;
      INSERT INTO item SELECT 1, 'INTO';
      SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no', MYSQL_ERRNO = 5;
    END main;"""
    found = parse(body)
    assert isinstance(found, Block)
    conditions = (Condition("not found"), Condition("sqlstate", "23000"), Condition("number", "1062"))
    assert found.label == "main"
    assert found.declarations == (
        DeclareVariable(("a", "b"), "INT UNSIGNED", "(1 + 2)"),
        DeclareCursor("c", "SELECT id FROM item WHERE name = 'x;''y\\'z' /* ; */ ORDER BY 1"),
        DeclareHandler(False, conditions, Block(None, (), (Set("a", "1"), Set("b", "2")))),
    )
    loop, case, first, second, insert, signal = found.body
    assert isinstance(loop, Loop)
    assert loop.condition == "a < CASE WHEN b THEN 1 ELSE 2 END"
    fetch, choice = loop.body
    assert fetch == Fetch("c", ("a",))
    assert isinstance(choice, If)
    assert [branch.condition for branch in choice.branches] == ["a = IF(b, 1, 2)", "b"]
    assert choice.branches[0].body == (Leave("l1"),)
    assert choice.branches[1].body == (Call("shop.p", ("a", "(b)")),)
    assert choice.otherwise == (Return("3"),)
    assert isinstance(case, Case)
    assert (case.subject, case.otherwise) == ("a", None)
    assert first == SelectInto("SELECT id, name\nFROM item LIMIT 1", ("a", "b"))
    assert second == SelectInto("SELECT id FROM item", ("a",))
    assert insert == Sql("INSERT", "INSERT INTO item SELECT 1, 'INTO'")
    assert signal == Signal(Condition("sqlstate", "45000"), (("MESSAGE_TEXT", "'no'"), ("MYSQL_ERRNO", "5")))


def test_comments_are_no_words_and_dashes_need_a_space() -> None:
    words = [token.text for token in tokens("a--1 -- b\n#c\n+/* d */`e``f` @@g @'h i' 1.5e-3 1..3")]
    assert words == ["a", "-", "-", "1", "+", "`e``f`", "@@g", "@'h i'", "1.5e-3", "1", "..", "3", ""]


@pytest.mark.parametrize(
    ("body", "construct"),
    [
        ("BEGIN SELECT id FROM item; END", "SELECT that returns rows to the client"),
        ("BEGIN DELETE FROM item RETURNING id; END", "DELETE ... RETURNING that returns rows to the client"),
        ("BEGIN SELECT id INTO OUTFILE 'x' FROM item; END", "SELECT ... INTO OUTFILE"),
        ("BEGIN SELECT id INTO @x FROM item; END", "the user variable @x"),
        ("SET @x = 1", "the user variable @x"),
        ("SET @@sql_mode = ''", "the system variable @@sql_mode"),
        ("SET SESSION sql_mode = ''", "SET SESSION"),
        ("SET sql_mode = ''", "SET sql_mode, which is no variable of the program"),
        ("BEGIN START TRANSACTION; END", "START, a transaction in a stored program"),
        ("BEGIN COMMIT; END", "COMMIT, a transaction in a stored program"),
        ("BEGIN PREPARE s FROM 'SELECT 1'; END", "PREPARE, a prepared statement"),
        ("BEGIN CREATE TEMPORARY TABLE t (a INT); END", "CREATE TEMPORARY TABLE"),
        ("BEGIN ALTER TABLE item ADD x INT; END", "ALTER in a stored program"),
        ("BEGIN TRUNCATE TABLE item; END", "TRUNCATE in a stored program"),
        ("BEGIN LOCK TABLES item WRITE; END", "LOCK in a stored program"),
        ("BEGIN LOAD DATA INFILE 'x' INTO TABLE item; END", "LOAD in a stored program"),
        ("BEGIN GET DIAGNOSTICS CONDITION 1 x = MESSAGE_TEXT; END", "GET in a stored program"),
        ("BEGIN FOR i IN 1..3 DO SET i = 1; END FOR; END", "a FOR loop"),
        ("AS x INT; BEGIN x := 1; END", "a body in Oracle's mode"),
        ("BEGIN x := 1; END", "what begins with 'x := 1; END'"),
        ("BEGIN /*!50003 DELETE FROM item */; END", "a comment that MySQL runs (/*! ... */)"),
        ("BEGIN DELETE FROM item", "a body that does not end"),
        ("BEGIN DELETE FROM item WHERE name = 'x; END", "a string that does not end"),
        ("", "a body that the account may not read"),
        ("BEGIN DECLARE x GEOMETRIES; END", "type GEOMETRIES"),
        ("BEGIN DECLARE x TYPE OF item.id; END", "type TYPE OF item.id"),
        ("BEGIN DECLARE EXIT HANDLER FOR SQLWARNING BEGIN END; END", "a handler for SQLWARNING"),
        ("BEGIN DECLARE EXIT HANDLER FOR 1213 BEGIN END; END", "a handler for error 1213"),
        ("BEGIN DECLARE EXIT HANDLER FOR SQLSTATE '42000' BEGIN END; END", "a handler for SQLSTATE 42000"),
        ("BEGIN DECLARE EXIT HANDLER FOR lost BEGIN END; END", "condition lost, which is not declared"),
        (
            "BEGIN DECLARE v INT; DECLARE EXIT HANDLER FOR NOT FOUND RESIGNAL; SELECT id INTO v FROM item; END",
            "RESIGNAL outside a handler for errors",
        ),
        ("BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION CALL p(); CALL p(); END", "CALL under a handler"),
        ("BEGIN DECLARE EXIT HANDLER FOR NOT FOUND BEGIN END; CALL p(); END", "CALL under a handler"),
        ("CALL q()", "CALL of q, which is not known"),
        ("CALL p(1)", "CALL of p with 1 arguments"),
        ("RESIGNAL", "RESIGNAL outside a handler for errors"),
        ("SIGNAL SQLSTATE '01000'", "SIGNAL 01000"),
        ("SIGNAL SQLSTATE '45000' SET CLASS_ORIGIN = 'x'", "SIGNAL ... SET CLASS_ORIGIN"),
        ("RETURN 1", "RETURN outside a function"),
        ("BEGIN LEAVE nowhere; END", "label nowhere, which is not known"),
        ("BEGIN DECLARE v INT; FETCH c INTO v; END", "cursor c, which is not declared"),
        ("BEGIN DECLARE c CURSOR FOR SELECT twice(id) FROM item; OPEN c; END", "a cursor over a stored function"),
        ("BEGIN CASE twice(1) WHEN 1 THEN BEGIN END; END CASE; END", "CASE over a value that may change while"),
        (
            "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; IF twice(1) THEN DELETE FROM item; END IF; END",
            "an expression that may fail, under a handler for errors",
        ),
        (
            "BEGIN DECLARE v INT; DECLARE EXIT HANDLER FOR 1062 BEGIN END; CASE v WHEN 1 THEN SET v = 2; END CASE; END",
            "CASE without ELSE under a handler for errors",
        ),
    ],
)
def test_what_has_no_translation_is_refused_by_name(body: str, construct: str) -> None:
    with pytest.raises(UntranslatableError) as refused:
        procedure(body)
    assert refused.value.construct.startswith(construct)


@pytest.mark.parametrize(
    ("timing", "event", "body", "construct"),
    [
        ("AFTER", "INSERT", "SET NEW.name = 'x'", "SET NEW.NAME in this trigger"),
        ("BEFORE", "UPDATE", "SET OLD.name = 'x'", "SET OLD.NAME in this trigger"),
        ("BEFORE", "INSERT", "SET NEW.gone = 'x'", "SET new.gone, which is no variable of the program"),
        ("BEFORE", "DELETE", "SET NEW.name = 'x'", "SET new.name, which is no variable of the program"),
        ("BEFORE", "INSERT", "SET NEW.name = NEW.id", "NEW.id, which each server fills in at another time"),
    ],
)
def test_what_a_trigger_cannot_do(timing: str, event: str, body: str, construct: str) -> None:
    table = Table("item", (Column("id", "int(11)", False, autoincrement=True), Column("name", "text", True)))
    with pytest.raises(UntranslatableError) as refused:
        trigger(body, timing, event, table)
    assert refused.value.construct == construct


def test_a_table_that_is_not_carried_has_no_triggers() -> None:
    with pytest.raises(UntranslatableError, match="table lost, which is not carried"):
        translate_trigger(Trigger("t", "lost", "BEFORE", "INSERT", "BEGIN END"), SCOPE, type_of)


def test_a_trigger_writes_the_target_s_columns() -> None:
    made = trigger("SET NEW.name = CONCAT(NEW.name, '!')")
    assert 'NEW."label" := NEW."label" || \'!\';' in made.statements[0]
    assert made.statements[1] == (
        'CREATE TRIGGER "t" BEFORE INSERT ON "item" FOR EACH ROW EXECUTE FUNCTION "cutover_trigger_t"()'
    )
    assert made.probes == ("SELECT CAST((CAST(NULL AS text) || '!') AS text)",)
    assert (made.name, made.table, made.signature, made.notes) == ("t", "item", '"cutover_trigger_t"()', ())


def test_a_cascade_is_noted_where_there_may_be_one() -> None:
    key = ForeignKey("k", ("id",), "other", ("id",), on_delete="CASCADE")
    plain = Table("item", (Column("id", "int(11)", False),))
    cascaded = Table("item", plain.columns, foreign_keys=(key,))
    noted = [
        any("foreign key" in note for note in trigger("BEGIN END", "AFTER", "DELETE", table).notes)
        for table in (plain, cascaded, None)
    ]
    assert noted == [False, True, True]


def test_triggers_are_called_so_that_they_fire_in_order() -> None:
    several = [Trigger(name, "item", "BEFORE", "INSERT", "BEGIN END", order) for order, name in enumerate("ba", 1)]
    alone = Trigger("c", "item", "AFTER", "INSERT", "BEGIN END")
    names = [translate_trigger(t, SCOPE, type_of, siblings=[*several, alone]).name for t in (*several, alone)]
    assert names == ["001_b", "002_a", "c"]


def test_only_what_reads_and_says_so_is_stable() -> None:
    assert "STABLE" in function("RETURN 1", deterministic=True).statements[0]
    assert "STABLE" not in function("RETURN 1").statements[0]
    assert "STABLE" not in function("BEGIN DELETE FROM item; RETURN 1; END", deterministic=True).statements[0]
    assert "STABLE" not in function("RETURN twice(1)", deterministic=True).statements[0]


def test_names_that_are_taken_are_left_alone() -> None:
    made = procedure("BEGIN DECLARE a, v_a INT; SET a = v_a; END")
    assert '"v_a_2" := "v_v_a";' in made.statements[0]


def test_a_dollar_sign_in_the_text_ends_nothing() -> None:
    made = function("RETURN LENGTH('$cutover$')")
    assert "AS $cutover1$\n" in made.statements[0]


def test_comments_that_are_left_out_are_noted() -> None:
    assert procedure("BEGIN END -- done").notes == ("its comments are left out",)


def test_a_comment_of_the_routine_is_carried() -> None:
    made = translate_routine(Routine("p", (), "BEGIN END", comment="it's"), SCOPE, type_of)
    assert made.statements[1] == "COMMENT ON ROUTINE \"p\"() IS 'it''s'"


@pytest.mark.parametrize(
    ("written", "type_", "ignores_case", "trimmed"),
    [
        ("INTEGER", "integer", True, False),
        ("int(10) unsigned", "bigint", True, False),
        ("BOOL", "smallint", True, False),
        ("Dec(10,2)", "numeric(10,2)", True, False),
        ("DOUBLE PRECISION", "double precision", True, False),
        ("CHARACTER VARYING(7)", "varchar(7)", True, False),
        ("varchar(7) CHARSET utf8mb4 COLLATE utf8mb4_bin", "varchar(7)", False, False),
        ("VARCHAR(7) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "varchar(7)", True, False),
        ("CHAR(3) BINARY", "varchar(3)", False, True),
        ("TEXT", "text", True, False),
        ("DATETIME(3)", "timestamp(3)", True, False),
    ],
)
def test_declared_types(written: str, type_: str, ignores_case: bool, trimmed: bool) -> None:
    made = declared(written, type_of)
    assert (made.attribute.type, made.attribute.ignores_case, made.trimmed) == (type_, ignores_case, trimmed)


def test_parameters_take_any_whole_number_and_leave_sizes_out() -> None:
    made = procedure("BEGIN END", Parameter("a", "smallint(6)"), Parameter("b", "varchar(5)", "OUT"))
    assert made.signature == '"p"(IN bigint, OUT varchar)'
    assert '"v_a" smallint := $1;' in made.statements[0]


def test_skeletons_raise_until_they_are_filled_in() -> None:
    body = "BEGIN\n  SELECT '$cutover$';\nEND"
    routine = Routine("it's", (Parameter("a", "int(11)"), Parameter("b", "odd", "OUT")), body)
    assert skeleton(routine, SCOPE, type_of, "SELECT that returns rows") == (
        'CREATE PROCEDURE "it\'s"(IN "a" bigint, OUT "b" text) LANGUAGE plpgsql AS $cutover1$\n'
        "BEGIN\n"
        "    -- has no translation: SELECT that returns rows\n"
        "    -- BEGIN\n"
        "    --   SELECT '$cutover$';\n"
        "    -- END\n"
        "    RAISE EXCEPTION USING MESSAGE = 'it''s is not translated yet';\n"
        "END\n"
        "$cutover1$;\n"
    )
    made = Routine("f", (Parameter("a", "varchar(3)"),), "RETURN 1", "int(11)")
    assert skeleton(made, SCOPE, type_of).startswith(
        'CREATE FUNCTION "f"("a" varchar) RETURNS integer LANGUAGE plpgsql'
    )
    fired = skeleton(Trigger("t", "item", "AFTER", "UPDATE", "BEGIN END"), SCOPE, type_of)
    assert fired.startswith('CREATE FUNCTION "cutover_trigger_t"() RETURNS trigger')
    assert fired.endswith(
        'CREATE TRIGGER "t" AFTER UPDATE ON "item" FOR EACH ROW EXECUTE FUNCTION "cutover_trigger_t"();\n'
    )
    event = skeleton(Event("e", "EVERY 1 DAY", "DELETE FROM item"), SCOPE, type_of)
    assert event.startswith('CREATE PROCEDURE "cutover_event_e"() LANGUAGE plpgsql')
    assert "-- scheduled EVERY 1 DAY\n" in event
