"""MySQL's SQL in PostgreSQL's words: exact texts, names, notes, and what has no translation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cutover.schema.rewrite import (
    Attribute,
    Relation,
    Rewritten,
    Scope,
    UntranslatableError,
    rewrite_expression,
    rewrite_statement,
)

_CASE = "it compares text letter by letter, where the source may ignore case"


def _relation(name: str, *attributes: tuple[str, Attribute]) -> Relation:
    return Relation(name, dict(attributes))


ITEMS = _relation(
    "items",
    ("id", Attribute("id", "integer", "integer")),
    ("qty", Attribute("quantity", "integer", "integer")),
    ("big", Attribute("big", "bigint", "integer")),
    ("price", Attribute("price", "numeric(10,2)", "decimal")),
    ("loose", Attribute("loose", "numeric", "decimal")),
    ("ratio", Attribute("ratio", "double precision", "float")),
    ("flag", Attribute("flag", "boolean", "boolean")),
    ("name", Attribute("name", "varchar(40)", "text", True)),
    ("code", Attribute("code", "varchar(40)", "text")),
    ("kind", Attribute("kind", "item_kind", "enum")),
    ("marks", Attribute("marks", "text[]", "set")),
    ("born", Attribute("born", "date", "date")),
    ("made", Attribute("made", "timestamp(0)", "timestamp")),
    ("fine", Attribute("fine", "timestamp(6)", "timestamp")),
    ("spent", Attribute("spent", "interval", "interval")),
    ("doc", Attribute("doc", "json", "json")),
    ("raw", Attribute("raw", "bytea", "binary")),
)
OWNERS = _relation("people", ("id", Attribute("id", "integer", "integer")), ("name", Attribute("full", "text", "text")))
SCOPE = Scope(
    "shop",
    {"items": ITEMS, "Owners": OWNERS},
    functions={"tax": Attribute("tax_of", "numeric(10,2)", "decimal")},
    sequences={"s": "s_", "it's": "it's"},
)
TRIGGER = Scope(
    "shop",
    {"items": ITEMS},
    variables={
        "total": Attribute("v_total", "integer", "integer"),
        "new.qty": Attribute("quantity", "integer", "integer"),
        "old.name": Attribute("name", "varchar(40)", "text", True),
    },
)


def expression(written: str, *, condition: bool = False) -> str:
    return rewrite_expression(written, SCOPE, "items", condition=condition).sql


def statement(written: str) -> str:
    return rewrite_statement(written, SCOPE).sql


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("QTY + 1", '"quantity"::bigint + 1'),
        ("`shop`.`items`.`qty`", '"quantity"'),
        ("items.qty > 3", '("quantity" > 3)::int'),
        ("qty / 3", 'round("quantity"::numeric / 3, 4)'),
        ("big % 2", '"big" % 2'),
        ("flag = 1", '("flag" = TRUE)::int'),
        ("concat(code, '-', id)", '"code" || \'-\' || "id"::text'),
        ("_utf8mb4'b'", "'b'"),
        ("'it''s \\\\ \\n'", "E'it''s \\\\ \n'"),
        ('"double"', "'double'"),
        ("born + interval 3 day", '"born" + 3'),
        ("made - interval 1 month", "\"made\" - INTERVAL '1 months'"),
        ("doc->'$.a.\"b c\"[2]'", "\"doc\" -> 'a' -> 'b c' -> 2"),
        ("now()", "date_trunc('second', statement_timestamp()::timestamp)"),
        ("now(6)", "statement_timestamp()::timestamp"),
        ("curdate()", "statement_timestamp()::date"),
        ("sysdate()", "date_trunc('second', clock_timestamp()::timestamp)"),
        ("utc_timestamp()", "date_trunc('second', (statement_timestamp() AT TIME ZONE 'UTC'))"),
        ("uuid()", "gen_random_uuid()::text"),
        ("rand()", "random()"),
        ("tax(price)", '"tax_of"("price")'),
        ("nextval(s)", "nextval('\"s_\"')"),
        ("next value for `shop`.`s` + 1", "nextval('\"s_\"') + 1"),
        ("previous value for s", "currval('\"s_\"')"),
        ("nextval(`it's`)", "nextval('\"it''s\"')"),
        ("marks = 'a,b'", "(\"marks\" = ARRAY['a', 'b']::text[])::int"),
        ("born = '2024-2-9'", "(\"born\" = '2024-02-09')::int"),
        ("born < '2024-02-09 10:00'", "(\"born\" < TIMESTAMP '2024-02-09 10:00:00')::int"),
        ("/* said */ qty", '"quantity"'),
        ("lag(qty, 1, 0) over (order by id)", 'lag("quantity", 1, (0)::integer) OVER (ORDER BY "id" NULLS FIRST)'),
    ],
)
def test_expression_becomes(written: str, made: str) -> None:
    assert expression(written) == made


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("qty", '"quantity" <> 0'),
        ("flag", '"flag"'),
        ("not flag", 'NOT "flag"'),
        ("1", "TRUE"),
        ("qty in (1, 2) or flag", '"quantity" IN (1, 2) OR "flag"'),
        ("find_in_set('a', marks)", "'a' = ANY(\"marks\")"),
        ("name like 'a%'", "\"name\" ILIKE 'a%'"),
        ("name like '1%'", "\"name\" LIKE '1%'"),
        ("code regexp '^[a-z]+$'", "\"code\" ~ '^[a-z]+$'"),
        ("regexp_like(code,_utf8mb4'^[a-z]+$')", "\"code\" ~ '^[a-z]+$'"),
    ],
)
def test_condition_becomes(written: str, made: str) -> None:
    assert expression(written, condition=True) == made


@pytest.mark.parametrize(
    ("written", "construct"),
    [
        ("@x", "user variable @x"),
        ("@@sql_mode", "system variable @@sql_mode"),
        ("@x := 1", "assignment :="),
        ("found_rows()", "FOUND_ROWS()"),
        ("last_insert_id()", "LAST_INSERT_ID()"),
        ("row_count()", "ROW_COUNT()"),
        ("sleep(1)", "SLEEP()"),
        ("nextval(other.s)", "another database: other.s"),
        ("nextval(unknown)", "sequence unknown, which is not carried"),
        ("setval(s, 5)", "SETVAL(), which never goes back in the source"),
        ("database()", "DATABASE()"),
        ("schema()", "SCHEMA()"),
        ("user()", "USER()"),
        ("connection_id()", "CONNECTION_ID()"),
        ("version()", "VERSION()"),
        ("no_such(1)", "NO_SUCH()"),
        ("other.fn(1)", "a function of another database"),
        ("other.items.qty", "another database"),
        ("missing", "column missing, which is not known"),
        ("owners.id", "column owners.id, which is not known"),
        ("sha1(name)", "SHA1()"),
        ("json_contains(doc, '1')", "JSON_CONTAINS()"),
        ("json_value(doc, '$.a')", "JSON_VALUE()"),
        ("str_to_date(code, '%Y')", "STR_TO_DATE()"),
        ("match(name) against ('x')", "MATCH"),
        ("code = 5", "text compared with integer"),
        ("code + 1", "text as a number"),
        ("born + 0", "date as a number"),
        ("kind = 1", "ENUM compared with integer"),
        ("kind + 0", "enum as a number"),
        ("marks = 3", "SET compared with integer"),
        ("qty = 'many'", "a number compared with the text 'many'"),
        ("born = 'soon'", "'soon' as a date"),
        ("born = '0000-00-00'", "'0000-00-00' as a date"),
        ("born = '2024-02-30'", "'2024-02-30' as a date"),
        ("born = code", "date compared with text"),
        ("doc = 'x'", "JSON compared with text"),
        ("qty in (1, 'a')", "IN over values of several kinds"),
        ("qty between '1' and born", "BETWEEN values of several kinds"),
        ("'3' between qty and 'x'", "BETWEEN values of several kinds"),
        ("qty = id < 3", "a chain of comparisons"),
        ("qty between 1 and 2 in (1)", "a chain of BETWEEN, IN or LIKE"),
        ("loose / 3", "division of a number whose digits are not known"),
        ("ratio % 2", "MOD of floats"),
        ("~qty", "BITWISENOT"),
        ("qty | -1", "bits of a negative number"),
        ("concat(ratio, '')", "float as text"),
        ("concat(flag, '')", "boolean as text"),
        ("concat(spent, '')", "interval as text"),
        ("greatest(name, code)", "GREATEST of text"),
        ("find_in_set('a', marks) + 1", "FIND_IN_SET as a number on a set"),
        ("date_format(made, '%U')", "DATE_FORMAT with %U"),
        ("date_format(made, code)", "DATE_FORMAT with a format that is not a literal"),
        ("week(born, 2)", "WEEK in mode 2"),
        ("born + interval 1.5 day", "an interval of '1.5'"),
        ("extract(week from born)", "EXTRACT(WEEK)"),
        ("cast(fine as datetime)", "a moment with fewer digits"),
        ("cast(code as decimal(5,2))", "CAST of text to a number"),
        ("cast(born as signed)", "date as a number"),
        ("convert(name using latin1)", "character set latin1"),
        ("_latin1'x'", "character set introducer _latin1"),
        ("name regexp '\\\\bx'", "a regular expression"),
        ("code regexp name", "a regular expression"),
        ("regexp_like(name, 'x', 'c')", "REGEXP_LIKE() of 3 arguments"),
        ("trim('ab' from code)", "TRIM of more than one character"),
        ("json_extract(doc, '$.*')", "the JSON path $.*"),
        ("doc->'$.*'", "a JSON path with wildcards"),
        ("rand(3)", "RAND() with a seed"),
        ("greatest(rand(), id)", "a random number that is needed twice"),
        ("now(2)", "the current time with 2 digits"),
        ("lpad(code, 5, '')", "LPAD"),
        ("name collate utf8mb4_turkish_xx", "COLLATE utf8mb4_turkish_xx"),
        ("soundex(name)", "SOUNDEX()"),
        ("values(qty)", "VALUES()"),
        ("default(qty)", "ALIASES"),
        ("qty, id", "more than one expression"),
        ("qty as q", "ALIAS"),
        ("qty; drop table items", "several statements"),
        ("qty /*! + 1 */", "executable comment"),
        ("'a\\0b'", "a text with a NUL character"),
        ("qty +", "syntax that the parser does not know"),
        ("concat()", "CONCAT() of 0 arguments"),
        ("group_concat(code limit 1)", "LIMIT"),
        ("(select id, name from owners)", "a subquery of several columns"),
    ],
)
def test_expression_without_translation(written: str, construct: str) -> None:
    with pytest.raises(UntranslatableError) as raised:
        expression(written)
    assert construct in raised.value.construct


@pytest.mark.parametrize(
    ("written", "construct"),
    [
        ("select sql_calc_found_rows id from items", "SQL_CALC_FOUND_ROWS"),
        ("select id into @x from items", "INTO in SELECT"),
        ("select id from nowhere", "table nowhere, which is not carried"),
        ("select id from other.items", "another database"),
        ("select id from items natural join owners", "NATURAL JOIN"),
        ("select id from items partition (p0)", "PARTITION in TABLE"),
        ("select id from items, owners", "column id, of several tables"),
        ("select id from items having id > 1", "HAVING without GROUP BY"),
        ("select id from items order by marks", "ORDER BY of set"),
        ("select id from (select 1 as id)", "a subquery in FROM without a name"),
        ("select i.id from items i, owners o right join owners p on p.id = o.id", "RIGHT JOIN after a comma"),
        ("select * from items join owners using (id)", "* over JOIN ... USING"),
        ("select qty from items union select name from owners", "UNION of integer and text"),
        ("select id from items for update wait 3", "WAIT n"),
        ("insert into items (id) values (1) on duplicate key update id = 2", "ON DUPLICATE KEY UPDATE"),
        ("replace into items (id) values (1)", "REPLACE statement"),
        ("insert into items (id) values (1) returning id", "RETURNING in INSERT"),
        ("insert into items (id, qty) values (1)", "INSERT of another number of values"),
        ("insert into items (nothing) values (1)", "column nothing, which is not known"),
        ("insert into items (qty) values ('many')", "CAST of text to a number"),
        ("insert into items (born) values (code)", "column code, which is not known"),
        ("insert into items (born) values (20240101)", "integer stored as date"),
        ("insert into items (kind) values (1)", "integer stored as enum"),
        ("insert into items (made) values ('2024-01-01 10:00:00.5')", "a moment with fewer digits"),
        ("update items set qty = 1 limit 1", "LIMIT in UPDATE"),
        ("update items set qty = 1 order by id", "ORDER in UPDATE"),
        ("update items set qty = 1, big = qty", "SET that reads a column it has set before"),
        ("update items set qty = 1, qty = 2", "SET of one column twice"),
        ("update items i, owners o set i.qty = 1, o.name = 'x' where i.id = o.id", "UPDATE of several tables"),
        ("update items left join owners on owners.id = items.id set qty = 1", "UPDATE with another JOIN"),
        ("delete from items limit 3", "LIMIT in DELETE"),
        ("delete from items order by id", "ORDER in DELETE"),
        ("delete items, owners from items join owners on owners.id = items.id", "DELETE from several tables"),
        ("delete items from items left join owners on owners.id = items.id", "DELETE with another JOIN"),
        ("drop table items", "DROP as a query"),
        ("call something()", "CALL statement"),
        ("set @x = 1", "SET"),
    ],
)
def test_statement_without_translation(written: str, construct: str) -> None:
    with pytest.raises(UntranslatableError) as raised:
        statement(written)
    assert construct in raised.value.construct


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("select qty from items", 'SELECT "quantity" AS "qty" FROM "items"'),
        (
            "select `o`.`name` AS `N` from `shop`.`Owners` `o` order by `o`.`name` desc limit 2,5",
            'SELECT "o"."full" AS "N" FROM "people" AS "o" ORDER BY "o"."full" DESC NULLS LAST LIMIT 5 OFFSET 2',
        ),
        ("select owners.id from owners", 'SELECT "people"."id" FROM "people"'),
        (
            "select id from items i where exists (select 1 from owners where owners.id = i.qty)",
            'SELECT "id" FROM "items" AS "i" WHERE EXISTS (SELECT 1 FROM "people" '
            'WHERE "people"."id" = "i"."quantity")',
        ),
        (
            "select case when qty then qty else id end from items order by id",
            'SELECT CASE WHEN "quantity" <> 0 THEN "quantity" ELSE "id" END FROM "items" '
            'ORDER BY "items"."id" NULLS FIRST',
        ),
        ("select id from items for update skip locked", 'SELECT "id" FROM "items" FOR UPDATE SKIP LOCKED'),
        ("select id from items lock in share mode", 'SELECT "id" FROM "items" FOR SHARE'),
        ("select * from owners", 'SELECT "id", "full" AS "name" FROM "people"'),
        (
            "insert ignore into items (qty, flag) values (1, 1), (default, null)",
            'INSERT INTO "items" ("quantity", "flag") VALUES (1, TRUE), (DEFAULT, NULL) ON CONFLICT DO NOTHING',
        ),
        ("insert into owners values (1, 'x')", 'INSERT INTO "people" ("id", "full") VALUES (1, \'x\')'),
        ("update items set qty = default where flag", 'UPDATE "items" SET "quantity" = DEFAULT WHERE "flag"'),
        (
            "delete i from items i join owners o on o.id = i.id where o.name = 'x'",
            'DELETE FROM "items" AS "i" USING "people" AS "o" WHERE "o"."id" = "i"."id" AND "o"."full" = \'x\'',
        ),
    ],
)
def test_statement_becomes(written: str, made: str) -> None:
    assert statement(written) == made


def test_a_variable_goes_before_a_column_and_columns_are_written_with_their_table() -> None:
    made = rewrite_statement("select total, qty from items where id = new.qty and old.name = 'x'", TRIGGER)
    assert made.sql == (
        'SELECT "v_total" AS "total", "items"."quantity" AS "qty" FROM "items" '
        'WHERE "items"."id" = NEW."quantity" AND OLD."name" = \'x\''
    )


def test_a_table_is_found_by_case_only_where_it_is_one() -> None:
    several = Scope("shop", {"ITEMS": ITEMS, "Items": ITEMS})
    with pytest.raises(UntranslatableError, match="table items, of several"):
        rewrite_statement("select id from items", several)
    assert rewrite_statement("select id from ITEMS", several).sql == 'SELECT "id" FROM "items"'


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("name = 'x'", _CASE),
        ("name in ('x', 'y')", _CASE),
        ("name like 'x'", "without regard to case"),
        ("code regexp 'x'", "regular expression"),
        ("now()", "session's time zone"),
        ("qty | id", "bits of a negative number"),
        ("qty / 3 > 1", "a quotient"),
        ("group_concat(code)", "group_concat_max_len"),
        ("max(code)", "the target's collation"),
        ("cast(ratio as decimal(5,2))", "a float"),
    ],
)
def test_what_means_a_little_differently_is_noted_once(written: str, note: str) -> None:
    notes = rewrite_expression(f"if({written} is null, {written}, {written})", SCOPE, "items").notes
    assert sum(note in one for one in notes) == 1


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("qty / 3", 'round("quantity"::numeric / 3, 4)'),
        ("(qty / 3) * 3", 'round("quantity"::numeric / 3, 4) * 3'),
        ("qty / 3 > 1", '(round("quantity"::numeric / 3, 4) > 1)::int'),
    ],
)
def test_a_quotient_is_rounded_at_once_where_the_source_does_so(written: str, made: str) -> None:
    assert rewrite_expression(written, replace(SCOPE, rounds_quotients=True), "items") == Rewritten(made)


@pytest.mark.parametrize("written", ["code = 'x'", "qty = 3", "born > '2024-01-01'", "qty & 4", "concat(code, id)"])
def test_what_means_the_same_has_no_note(written: str) -> None:
    assert rewrite_expression(written, SCOPE, "items").notes == ()


def test_a_rollup_is_the_same_as_the_catalogue_prints_it() -> None:
    plain = "select code as code, ifnull(code, '-') as x, count(0) as n from items group by code with rollup"
    printed = (
        "select rollup_group_item(code,0) as code, ifnull(rollup_group_item(code,0), '-') as x, "
        "rollup_sum_switcher(count(0)) as n from items group by code with rollup"
    )
    assert rewrite_statement(printed, SCOPE) == rewrite_statement(plain, SCOPE)


def test_hints_are_left_out_with_a_note() -> None:
    made = rewrite_statement("select straight_join id from items force index (primary)", SCOPE)
    assert made.sql == 'SELECT "id" FROM "items"'
    assert made.notes == ("an optimizer hint is left out",)
