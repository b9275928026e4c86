"""Tables are cut by keys of every kind: no row is lost or doubled at an edge, and what differs is still found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from helpers import begin, differences, endpoint, finished, mysql, mysql_rows, postgres, rows, source_database, spec

from cutover.data import edges
from cutover.data.chunks import cut
from cutover.data.extract import statement
from cutover.local.servers import Server
from cutover.plan import Plan, build_plan
from cutover.schema import inspect_mysql
from cutover.schema.model import Schema, Statistics

# Each key with the values of a row, and how it is cut: the columns, and whether the proof walks along them.
_WORDS = (
    "''",
    "' '",
    "'a'",
    "'A'",
    "'á'",
    "'a '",
    "'a\\0'",
    "'ß'",
    "'ss'",
    "'😀'",
    "'\\\\'",
    "'\\''",
    "'%s'",
    "'桜'",
    "'?'",
)
KEYS = {
    "sparse": ("a BIGINT, PRIMARY KEY (a)", [(str(v),) for v in (-(2**63), -5, -1, 0, 7, 10**12, 2**63 - 1)]),
    "large": ("a BIGINT UNSIGNED, PRIMARY KEY (a)", [(str(v),) for v in (0, 1, 2**63, 2**64 - 2, 2**64 - 1)]),
    "amounts": (
        "a DECIMAL(65,30), PRIMARY KEY (a)",
        [(v,) for v in ("-1e30", "-0.000000000000000000000000000001", "0", "0.1", "0.10000001", "9e33")],
    ),
    "pairs": (
        "a INT, b SMALLINT, PRIMARY KEY (a, b)",
        [(str(a), str(b)) for a in (-2, -1, 3) for b in (-9, 0, 4, 5)],
    ),
    "seasons": ("a YEAR, b TINYINT, PRIMARY KEY (a, b)", [(a, b) for a in ("1901", "1999", "2155") for b in "123"]),
    "moments": (
        "a DATE, b DATETIME(6), PRIMARY KEY (a, b)",
        [
            (f"'{a}'", f"'{b}'")
            for a in ("1000-01-01", "2024-02-29", "9999-12-31")
            for b in ("1000-01-01", "2024-01-01 00:00:00.000001", "2024-01-01 00:00:00.000002", "9999-12-31 23:59:59")
        ],
    ),
    "instants": (
        "a TIMESTAMP(3), PRIMARY KEY (a)",
        [
            (f"'{a}'",)
            for a in ("1970-01-01 00:00:01", "2024-03-31 02:30:00.001", "2024-03-31 02:30:00.002", "2038-01-19")
        ],
    ),
    "raw": (
        "a VARBINARY(9), b BINARY(3), PRIMARY KEY (a, b)",
        [(f"x'{a}'", f"x'{b}'") for a in ("", "00", "0000", "61", "6100", "ff", "ff27") for b in ("00", "27")],
    ),
    "words": ("a VARCHAR(9) COLLATE utf8mb4_nopad_bin, PRIMARY KEY (a)", [(w,) for w in _WORDS]),
    "caseless": (
        "a VARCHAR(9) COLLATE utf8mb4_unicode_ci, b INT, PRIMARY KEY (a, b)",
        [(w, str(n)) for n, w in enumerate(_WORDS)],
    ),
    "western": (
        "a CHAR(9) CHARACTER SET latin1 COLLATE latin1_german1_ci, b INT, PRIMARY KEY (a, b)",
        [(w, str(n)) for n, w in enumerate(("''", "'€'", "'ä'", "'a'", "'A'", "'ÿ'"))],
    ),
    "wide": (
        "a VARCHAR(9) CHARACTER SET utf16 COLLATE utf16_bin, PRIMARY KEY (a)",
        [(w,) for w in ("''", "'a'", "'A'", "'😀'", "'桜'")],
    ),
    "ids": (
        "a UUID, PRIMARY KEY (a)",
        [(f"'{n:08x}-{m}-1000-8000-00000000000{n}'",) for n, m in enumerate(("ffff", "0000", "1234", "abcd"), 1)],
    ),
    "times": (
        "a TIME(6), PRIMARY KEY (a)",
        [(f"'{a}'",) for a in ("-838:59:59", "-00:00:00.000001", "00:00:00", "838:59:59")],
    ),
    "addresses": ("a INET6, PRIMARY KEY (a)", [(f"'{a}'",) for a in ("::", "::1", "fe80::1", "::ffff:1.2.3.4")]),
    "kinds": (
        "a INT, b ENUM('z', 'a'), PRIMARY KEY (a, b)",
        [(str(a), f"'{b}'") for a in (1, 2, 3) for b in "za"],
    ),
    "unique_pair": (
        "a INT NOT NULL, b VARCHAR(9) NOT NULL, UNIQUE KEY (a, b)",
        [(str(a), w) for a in (1, 2) for w in ("'x'", "'y'", "'z'")],
    ),
    "no_dates": (
        "a DATE, b INT, PRIMARY KEY (a, b)",
        [(f"'{a}'", str(b)) for a in ("0000-00-00", "2024-02-01", "2024-03-00", "2024-03-01") for b in range(4)],
    ),
    "heap": ("a INT, b FLOAT, KEY (b)", [("1", "0.1"), ("1", "0.1"), ("NULL", "NULL")]),
}
WALKED = {"sparse", "large", "amounts", "pairs", "seasons", "moments", "instants", "raw", "no_dates"}


@pytest.fixture(scope="module")
def keyed(mysql_server: Server) -> Iterator[Server]:
    with source_database(mysql_server) as source:
        for name, (columns, keys) in KEYS.items():
            values = ", ".join(f"({', '.join(key)}, {n})" for n, key in enumerate(keys))
            names = ", ".join(part.split()[0] for part in columns.split(", ") if part[:2] in ("a ", "b "))
            mysql(
                source,
                f"CREATE TABLE {name} ({columns}, n INT)",
                f"INSERT INTO {name} ({names}, n) VALUES {values}",
                f"ANALYZE TABLE {name}",
            )
        yield source


@pytest.mark.parametrize("size", [1, 2, 5])
def test_every_row_is_in_one_chunk(keyed: Server, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", size)
    source = endpoint(keyed)
    described = edges.measured(source, inspect_mysql.inspect(source), set(KEYS))
    made = build_plan(spec(), described, Schema("public", ()))
    assert Plan.from_json(made.to_json()) == made
    assert {table.route.source for table in made.tables if table.route.ordered} == WALKED
    for name, (_, keys) in KEYS.items():
        route = made.table(name).route
        # Arithmetic, too, where the key is one integer without holes; edges as dense as can be at the size of 1.
        chunks = list(cut(route, described.table(name).statistics))
        assert len(chunks) > 1 or name == "heap" or size >= len(keys)
        found = [[row[-1] for row in mysql_rows(keyed, statement(route, chunk))] for chunk in chunks]
        assert Counter(n for chunk in found for n in chunk) == Counter(range(len(keys))), name
        # A key that is cut by its first columns alone, and dates that cannot stand at an edge, make larger ones.
        assert name in ("heap", "kinds", "no_dates") or max(map(len, found)) <= size, name


def test_a_table_that_the_server_underrates_is_not_cut_into_single_rows(
    keyed: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", 1)
    source = endpoint(keyed)
    table = replace(inspect_mysql.inspect(source).table("moments"), statistics=Statistics(rows=2))
    made = edges.measured(source, Schema("s", (table,)), {"moments"}).table("moments").statistics.edges
    # 12 rows: four edges a row apart, which is as many as two rows let expect twice over; then every second row.
    assert len(made) == 7


def test_chunks_of_every_kind_are_loaded_and_compared(
    keyed: Server, target_db: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without text that PostgreSQL cannot hold, and dates that are none."""
    monkeypatch.setattr("cutover.data.chunks.CHUNK_ROWS", 3)
    chosen = ["amounts", "instants", "large", "moments", "pairs", "raw", "unique_pair", "western"]
    run = finished(begin(keyed, target_db, tables=chosen))
    assert {name for name in chosen if sum(c.table == name for c in run.plan.chunks) < 2} == set()
    for name in chosen:
        numbers = [n for (n,) in rows(target_db, f"SELECT n FROM {run.shadow}.{name} ORDER BY n")]
        assert numbers == list(range(len(KEYS[name][1]))), name
    assert differences(run) == []
    # A table that is compared whole is so once, whatever the number of its chunks.
    verified = [event.detail for event in run.ledger.events(run.id, "verified")]
    assert Counter(event["table"] for event in verified if event["table"] not in WALKED).total() == 2
    for name in chosen:
        assert sum(event["rows"] for event in verified if event["table"] == name) == len(KEYS[name][1])
    # A row of every table is changed; others are lost, or new.
    postgres(
        target_db,
        *(f"UPDATE {run.shadow}.{name} SET n = -1 WHERE n = 1" for name in chosen),
        f"DELETE FROM {run.shadow}.pairs WHERE a = 3 AND b IN (-9, 5)",
        f"INSERT INTO {run.shadow}.raw VALUES ('\\x6100', '\\x010203', 0)",
    )
    assert differences(run) == sorted(
        [
            "amounts[-0.000000000000000000000000000001].n: source 1, target -1",
            "instants[2024-03-31 02:30:00.001000+00:00].n: source 1, target -1",
            "large[1].n: source 1, target -1",
            "moments[1000-01-01, 2024-01-01 00:00:00.000001].n: source 1, target -1",
            "pairs[-2, 0].n: source 1, target -1",
            "pairs[3, -9]: only in the source",
            "pairs[3, 5]: only in the source",
            "raw[6100, 010203]: only in the target",
            "raw[, 270000].n: source 1, target -1",
            "unique_pair[1, y, -1]: only in the target",
            "unique_pair[1, y, 1]: only in the source",
            "western[€, 1].n: source '1', target '-1'",
        ]
    )
