"""Runs that sample: the rows that were asked for, whatever they refer to, and nothing else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from helpers import begin, endpoint, mysql, mysql_rows, one, rows, source_database, spec

from cutover import report
from cutover.data.extract import extract
from cutover.errors import PreflightError
from cutover.local.servers import Server
from cutover.route import Chunk, TableRoute
from cutover.run import run_migration
from cutover.schema import inspect_mysql
from cutover.schema.model import Schema
from cutover.schema.translate import translate
from cutover.spec import MigrationSpec
from cutover.steps import check

# Nothing divides evenly, so that rounding shows. Keys of one and of two columns and of several kinds, a chain of 2,599
# rows that each refer to the one before, two tables that refer to each other, and one without a key.
TOWN = (
    "CREATE TABLE countries (code CHAR(2) PRIMARY KEY, name VARCHAR(20) NOT NULL)",
    "INSERT INTO countries SELECT CHAR(65 + seq DIV 26, 65 + seq MOD 26), seq FROM seq_0_to_102",
    "CREATE TABLE cities (country CHAR(2) NOT NULL, number INT NOT NULL, PRIMARY KEY (country, number), "
    "FOREIGN KEY (country) REFERENCES countries (code))",
    "INSERT INTO cities SELECT code, seq FROM countries, seq_1_to_7",
    "CREATE TABLE people (id INT PRIMARY KEY, country CHAR(2), city INT, house INT, "
    "FOREIGN KEY (country, city) REFERENCES cities (country, number), KEY (house))",
    "INSERT INTO people SELECT seq, IF(seq MOD 5, code, NULL), 1 + seq MOD 7, IF(seq MOD 3, NULL, seq) "
    "FROM seq_1_to_997 JOIN countries ON name = seq MOD 103",
    "CREATE TABLE houses (id INT PRIMARY KEY, owner INT, FOREIGN KEY (owner) REFERENCES people (id))",
    "INSERT INTO houses SELECT id, 1 + id * 7 MOD 997 FROM people",
    "ALTER TABLE people ADD FOREIGN KEY (house) REFERENCES houses (id)",
    "CREATE TABLE stays (day DATE, guest INT, kind VARCHAR(9), PRIMARY KEY (day, guest), "
    "FOREIGN KEY (guest) REFERENCES people (id))",
    "INSERT INTO stays SELECT '2024-01-01' + INTERVAL seq DAY, 1 + seq * 31 MOD 997, "
    "CASE WHEN seq = 13 THEN 'tent' WHEN seq MOD 10 = 0 THEN NULL WHEN seq MOD 3 = 0 THEN 'inn' ELSE 'friends' END "
    "FROM seq_1_to_1009",
    "CREATE TABLE links (id INT PRIMARY KEY, earlier INT, FOREIGN KEY (earlier) REFERENCES links (id))",
    "INSERT INTO links SELECT seq, IF(seq > 1 AND seq <> 2600, seq - 1, NULL) FROM seq_1_to_2603",
    "CREATE TABLE words (word TEXT, country CHAR(2), FOREIGN KEY (country) REFERENCES countries (code))",
    "INSERT INTO words VALUES ('a', 'AA'), ('b', 'DY'), ('c', NULL)",
)
KEYS = {
    "countries": ("code",),
    "cities": ("country", "number"),
    "people": ("id",),
    "houses": ("id",),
    "stays": ("day", "guest"),
    "links": ("id",),
}
REFERENCES = (
    ("cities", ("country",), "countries"),
    ("people", ("country", "city"), "cities"),
    ("people", ("house",), "houses"),
    ("houses", ("owner",), "people"),
    ("stays", ("guest",), "people"),
    ("links", ("earlier",), "links"),
    ("words", ("country",), "countries"),
)
KINDS = {"tent": 1, None: 100, "inn": 303, "friends": 605}

Rows = set[tuple[Any, ...]]


@pytest.fixture(scope="module")
def town(mysql_server: Server) -> Iterator[Server]:
    with source_database(mysql_server) as server:
        mysql(server, *TOWN)
        yield server


@pytest.fixture(scope="module")
def inspected(town: Server) -> Schema:
    return inspect_mysql.inspect(endpoint(town))


def sampling(row_filters: dict[str, str] | None = None, **keys: Any) -> MigrationSpec:
    return spec(data={"extraction": {"sampling": keys, "filtering": {"rowFilters": row_filters or {}}}})


def routes(source: Schema, written: MigrationSpec, *only: str) -> dict[str, TableRoute]:
    return {table.route.source: table.route for table in translate(source, written, only).tables}


def read(town: Server, route: TableRoute, *columns: str) -> list[tuple[Any, ...]]:
    """What the load reads of a table."""
    positions = [[column.source for column in route.columns].index(name) for name in columns]
    batches = extract(endpoint(town), route, Chunk(route.source, 0), 10_000)
    found = [row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
    return [tuple(_text(row[position]) for position in positions) for row in found]


def test_a_sample_arrives_whole_in_itself(town: Server, target_db: Server) -> None:
    filters = {"dataFilters": {"stays.kind": ["inn", "friends", None]}}
    drawn = {"sampleSize": 20, "seed": 3, "sampleMethod": "stratified", "stratifyBy": {"stays": "kind"}}
    written = spec(data={"extraction": {"sampling": drawn, "filtering": filters}})
    told = run_migration(begin(town, target_db, written))
    assert told.status == report.WITH_LOSSES, told.cause
    # No orphan was set aside: nothing is left out but what a data filter says.
    assert [line.partition(" rows ")[0] for line in told.rule] == ["stays: 1"]
    assert "kind is no value that dataFilters lets through" in told.rule[0]
    assert "2024-01-14" in told.rule[0]
    for child, columns, parent in REFERENCES:
        key = ", ".join(f"p.{name}" for name in KEYS[parent])
        referring = ", ".join(f"c.{name}" for name in columns)
        query = f"FROM {child} c LEFT JOIN {parent} p ON ({key}) = ({referring})"
        whole = " AND ".join(f"c.{name} IS NOT NULL" for name in columns)
        assert one(target_db, f"SELECT count(*) {query} WHERE {whole} AND p IS NULL") == 0
    found = {name: one(target_db, f"SELECT count(*) FROM {name}") for name in [*KEYS, "words"]}
    assert (found["stays"], found["words"]) == (19, 3)
    assert found["people"] < 300
    # The last that was drawn and all that it goes back to: more rounds than a server allows by itself.
    (last,) = rows(target_db, "SELECT max(id) FROM links WHERE id < 2600")[0]
    assert last > 2000
    assert found["links"] == last + one(target_db, "SELECT count(*) FROM links WHERE id >= 2600")
    assert {(entry.table, entry.rows, entry.lost + entry.extra + entry.changed) for entry in told.tables} == {
        (name, count, 0) for name, count in found.items()
    }
    assert told.expectations["failed"] == 0
    ways = {name: "by the shares of kind" if name == "stays" else "at random" for name in KEYS}
    assert sorted(told.losses) == [
        f"rows of {name}: sampling draws 20 rows {ways[name]} (seed 3), and those that rows which travel refer to "
        "come along"
        for name in sorted(KEYS)
    ]
    assert any(note.startswith("rows of words: sampling does not hold here") for note in told.notes)
    again = begin(town, target_db, written)
    check.preflight(again)
    with pytest.raises(PreflightError, match=r"with sampling the run would put a part.*in place of .*replace_target"):
        check.make_plan(again)


@pytest.mark.parametrize(
    "written",
    [
        sampling(sampleSize=15),
        sampling(samplePercentage=3, seed=-1),
        sampling(sampleSize=9, sampleMethod="systematic", seed=5),
        sampling(samplePercentage=2.5, sampleMethod="stratified", stratifyBy={"people": "country"}),
        sampling(sampleSize=15, tables=["countries", "cities", "houses", "people"]),
        sampling({"countries": "name < 50", "people": "id > 100"}, sampleSize=25, seed=2),
    ],
    ids=["size", "percentage", "systematic", "stratified", "some-tables", "filtered"],
)
def test_what_travels_is_what_was_drawn_and_what_it_refers_to(
    town: Server, inspected: Schema, written: MigrationSpec
) -> None:
    # Alone, a table's sample is what was drawn of it.
    ways = {name: routes(inspected, written, name)[name] for name in [*KEYS, "words"]}
    reached: dict[str, Rows] = {name: set(read(town, ways[name], *KEYS[name])) for name in KEYS}
    filters = written.data.extraction.filtering.rows
    let_through = {name: rows_by_key(town, inspected, name, filters.get(name)) for name in KEYS}
    words = rows_by_key(town, inspected, "words", None)
    assert all(reached[name] <= let_through[name].keys() for name in KEYS)
    waiting = [(name, row) for name in KEYS for row in (let_through[name][key] for key in reached[name])]
    waiting += [("words", row) for row in words.values()]
    while waiting:
        table, row = waiting.pop()
        for child, columns, parent in REFERENCES:
            key = tuple(row[name] for name in columns) if child == table else ()
            if key and key in let_through[parent].keys() - reached[parent]:
                reached[parent].add(key)
                waiting.append((parent, let_through[parent][key]))
    together = routes(inspected, written)
    for name, key in KEYS.items():
        found = read(town, together[name], *key)
        assert len(found) == len(set(found))
        assert set(found) == reached[name], name


def rows_by_key(town: Server, source: Schema, table: str, condition: str | None) -> dict[tuple[Any, ...], Any]:
    """The source's rows of a table, whole, as text; those of one without a key by their place."""
    names = [column.name for column in source.table(table).columns]
    found = mysql_rows(town, f"SELECT {', '.join(names)} FROM {table} WHERE {condition or 'TRUE'}")
    told = [{name: _text(value) for name, value in zip(names, row, strict=True)} for row in found]
    return {tuple(row[name] for name in KEYS.get(table, ())) or (place,): row for place, row in enumerate(told)}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@pytest.mark.slow
def test_no_row_is_lost_where_a_sample_outgrows_the_servers_memory(source_db: Server) -> None:
    # With the server's own 16 MB the last rows that are drawn of children find no room.
    mysql(
        source_db,
        "CREATE TABLE adults (id INT PRIMARY KEY)",
        "INSERT INTO adults SELECT seq FROM seq_1_to_1000000",
        "CREATE TABLE children (id INT, name VARCHAR(30), parent INT, PRIMARY KEY (id, name), "
        "FOREIGN KEY (parent) REFERENCES adults (id))",
        "INSERT INTO children SELECT seq, CONCAT('k', seq), 1 + seq * 7 MOD 1000000 FROM seq_1_to_100000",
    )
    source = inspect_mysql.inspect(endpoint(source_db))
    alone = read(source_db, routes(source, sampling(sampleSize=100_000), "adults")["adults"], "id")
    together = read(source_db, routes(source, sampling(sampleSize=100_000))["adults"], "id")
    assert len(alone) == 100_000
    wanted = set(alone) | {(str(1 + number * 7 % 1_000_000),) for number in range(1, 100_001)}
    # Numbers, for a difference of sets of this size takes minutes to show.
    assert (len(together), len(wanted - set(together))) == (len(wanted), 0)


CYCLES = {
    "ENUM('b', 'a', 'é')": ("'b'", "'a'", "'é'"),
    "BIT(9)": ("b'0'", "b'1'", "b'111111111'"),
    "DOUBLE": ("0.1", "1e300", "-3.3"),
    "DATE": ("'0000-00-00'", "'2020-00-00'", "'2020-01-01'"),
    "TIMESTAMP(6)": ("'2020-01-01 00:00:00.000001'", "'2020-10-25 00:30:00'", "'2020-10-25 01:30:00'"),
    "VARBINARY(9)": ("''", "0x00", "0xff00"),
    "DECIMAL(20,9)": ("0.1", "0.100000001", "-5"),
    "UUID": ("UUID()", "UUID()", "UUID()"),
    "VARCHAR(20) CHARACTER SET latin1": ("'é'", "'É2'", "''"),
    "BIGINT UNSIGNED": ("18446744073709551615", "0", "1"),
}


def test_keys_of_every_kind_and_any_number_of_references_are_followed(source_db: Server) -> None:
    for number, (kind, values) in enumerate(CYCLES.items()):
        table = f"t{number}"
        mysql(
            source_db,
            f"CREATE TABLE {table} (k {kind} PRIMARY KEY, n INT, earlier {kind} NULL, "
            f"FOREIGN KEY (earlier) REFERENCES {table} (k))",
            *(f"INSERT INTO {table} VALUES ({value}, {place}, NULL)" for place, value in enumerate(values)),
            f"UPDATE {table} SET earlier = (SELECT k FROM {table} WHERE n = 2) WHERE n = 0",
            f"UPDATE {table} AS t JOIN {table} AS other ON other.n = t.n - 1 SET t.earlier = other.k WHERE t.n > 0",
        )
    columns = [f"r{number}" for number in range(60)]
    keys = ", ".join(f"{name} INT, FOREIGN KEY ({name}) REFERENCES many (id)" for name in columns)
    mysql(
        source_db,
        "CREATE TABLE many (id INT PRIMARY KEY)",
        "INSERT INTO many SELECT seq FROM seq_1_to_999",
        f"CREATE TABLE one (id INT PRIMARY KEY, {keys})",
        f"INSERT INTO one VALUES (1, {', '.join(str(number + 1) for number in range(60))})",
    )
    made = routes(inspect_mysql.inspect(endpoint(source_db)), sampling(sampleSize=1))
    # Whichever row is drawn refers to the next, and so on around.
    assert {name: len(read(source_db, made[name], "k")) for name in made if name.startswith("t")} == {
        f"t{number}": 3 for number, _ in enumerate(CYCLES)
    }
    found = {int(key) for (key,) in read(source_db, made["many"], "id")}
    assert set(range(1, 61)) <= found
    assert len(found) <= 61


@pytest.mark.parametrize("method", ["random", "systematic", "stratified"])
def test_as_many_are_drawn_as_were_asked_for(town: Server, inspected: Schema, method: str) -> None:
    by = {"stratifyBy": {"stays": "kind"}} if method == "stratified" else {}

    def stays(**keys: Any) -> list[tuple[Any, ...]]:
        made = routes(inspected, sampling(sampleMethod=method, **by, **keys))["stays"]
        return sorted(read(town, made, "day", "guest", "kind"))

    everything = set(stays(samplePercentage=100))
    assert len(everything) == 1009
    assert set(stays(sampleSize=5000)) == everything
    assert len(stays(sampleSize=1)) == (len(KINDS) if method == "stratified" else 1)
    for keys, wanted in (({"sampleSize": 99}, 99), ({"samplePercentage": 12.5}, math.ceil(1009 / 8))):
        drawn = stays(**keys)
        assert len(drawn) == len(set(drawn)) == wanted
        assert set(drawn) < everything
        assert stays(**keys) == drawn
        other = stays(**keys, seed=1)
        assert len(other) == wanted
        assert other != drawn
        days = [date.fromisoformat(day).toordinal() for day, _, _ in drawn]
        if method == "systematic":
            gaps = {later - earlier for earlier, later in pairwise(days)}
            assert gaps <= {1009 // wanted, 1009 // wanted + 1}
        if method == "stratified":
            shares = Counter(kind for _, _, kind in drawn)
            assert all(abs(shares[kind] - max(1, count * wanted / 1009)) < 1 for kind, count in KINDS.items())
        if method == "random":
            # Half of them from each half of the year, as chance has it: three deviations of a fair coin.
            first = sum(day < date(2024, 1, 1).toordinal() + 505 for day in days)
            assert abs(first - wanted / 2) < 1.5 * math.sqrt(wanted)
            assert set(stays(sampleSize=wanted // 2)) < set(drawn)
