"""The live tables' rows stay and the source's come in among them, whatever the application does meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers import access, begin, differences, dump, migrations, mysql, one, postgres, ready, rows, schemas, spec
from typer.testing import CliRunner

from cutover import cli, report
from cutover.data.upsert.carry import yielded_table
from cutover.errors import DataError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back, carry, move, switch, versions
from cutover.steps.context import Run

LIVE = (
    "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL)",
    "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL REFERENCES customers (id), note text)",
    "INSERT INTO customers VALUES (2, 'Live'), (40, 'Zoe')",
    "INSERT INTO orders VALUES (3, 2, 'live'), (70, 40, NULL)",
)
CUSTOMERS = "SELECT id, name FROM {}customers ORDER BY id"
ORDERS = "SELECT id, customer, note FROM {}orders ORDER BY id"


def upserting(resolution: str = "update", columns: Sequence[Any] = (), proved: bool = False) -> MigrationSpec:
    upsert = {"enabled": True, "conflictResolution": resolution, "conflictColumns": list(columns)}
    # The proof is of what is loaded, before any row is carried over.
    safe = {"validateAfterMigration": proved, "backupBeforeMigration": False}
    return spec(strategy={"execution": {"modes": {"safe": safe}}}, data={"loading": {"strategy": {"upsert": upsert}}})


@pytest.fixture
def live(target_db: Server) -> Server:
    postgres(target_db, *LIVE)
    return target_db


def carried(source: Server, target: Server, written: MigrationSpec) -> Run:
    """A run whose rows are carried over, ready for its cutover."""
    run = ready(begin(source, target, written))
    carry.carry_over(run)
    return run


def kept(run: Run) -> list[str]:
    return [line for line in report.build(run.ledger, run.id).rule if "rows that were there" in line]


def test_update_the_sources_rows_win_and_the_way_back_is_exact(shop: Server, live: Server) -> None:
    before = dump(live)
    run = begin(shop, live, upserting())
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(live, CUSTOMERS.format("")) == [(1, "Ana"), (2, "Björn"), (3, "桜"), (40, "Zoe")]
    assert rows(live, ORDERS.format("")) == [(1, 1, "a"), (2, 1, None), (3, 3, "c"), (70, 40, None)]
    assert kept(run) == [
        'customers: 1 rows that were there are kept, 1 others replaced by the source\'s; keys {"id": 2}',
        'orders: 1 rows that were there are kept, 1 others replaced by the source\'s; keys {"id": 3}',
    ]
    back.rollback(run)
    back.validate_rollback(run)
    assert dump(live) == before


def test_ignore_the_rows_that_are_there_win(shop: Server, live: Server) -> None:
    mysql(shop, "DELETE FROM orders WHERE customer = 1")
    run = begin(shop, live, upserting("ignore"))
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(live, CUSTOMERS.format("")) == [(1, "Ana"), (2, "Live"), (3, "桜"), (40, "Zoe")]
    assert rows(live, ORDERS.format("")) == [(3, 2, "live"), (70, 40, None)]
    assert kept(run)[0] == (
        'customers: 2 rows that were there are kept, 1 rows of the source set aside for them; keys {"id": 2}'
    )
    aside = yielded_table("customers")
    assert rows(live, f"SELECT id, name FROM {run.shadow}.{aside}") == [(2, "Björn")]
    postgres(live, "INSERT INTO customers (name) VALUES ('next')")
    assert one(live, "SELECT id FROM customers WHERE name = 'next'") == 41


def test_fail_names_the_rows_and_changes_nothing_however_late_they_come(shop: Server, live: Server) -> None:
    postgres(live, "TRUNCATE customers, orders")
    run = carried(shop, live, upserting("fail"))
    postgres(live, "INSERT INTO customers VALUES (2, 'late'), (3, 'late too'), (4, 'own')")
    before = rows(live, CUSTOMERS.format(""))
    for step in (switch.cutover, carry.carry_over):
        with pytest.raises(DataError) as refused:
            step(run)
        words = (
            'customers: 2 rows that are there are the source\'s too, by id: {"id": 2}, {"id": 3}. Nothing was changed'
        )
        assert str(refused.value).startswith(words)
        assert rows(live, CUSTOMERS.format("")) == before
    back.rollback(run)
    back.validate_rollback(run)
    assert rows(live, CUSTOMERS.format("")) == before


@pytest.mark.parametrize(
    ("resolution", "customers", "lines"),
    [
        ("update", [(1, "Ana"), (2, "Björn"), (3, "桜"), (41, "Max"), (42, "Zoe")], "kept, 2 others replaced"),
        ("ignore", [(1, "Mine"), (2, "Björn"), (3, "Sakura"), (41, "Max"), (42, "Zoe")], "kept, 2 rows of the source"),
    ],
)
def test_what_is_written_until_the_cutover_is_carried_too(
    shop: Server, live: Server, resolution: str, customers: list[tuple[int, str]], lines: str
) -> None:
    """Rows come, change, go and change their keys, after they were carried; a call that finds no news changes none."""
    postgres(live, "DELETE FROM orders", "INSERT INTO customers VALUES (3, 'Sakura')")
    run = carried(shop, live, upserting(resolution))
    carry.carry_over(run)
    postgres(
        live,
        "INSERT INTO customers VALUES (1, 'Mine'), (41, 'Max')",
        "DELETE FROM customers WHERE id = 2",
        "UPDATE customers SET id = 42 WHERE id = 40",
    )
    for _ in range(2):
        switch.cutover(run)
    switch.validate_cutover(run)
    assert rows(live, CUSTOMERS.format("")) == customers
    assert len(rows(live, ORDERS.format(""))) == 3
    assert lines in kept(run)[0]
    assert rows(live, CUSTOMERS.format(f"{run.shadow}.")) == [(1, "Mine"), (3, "Sakura"), (41, "Max"), (42, "Zoe")]


def test_a_run_that_goes_on_from_the_start_proves_the_load_again(shop: Server, live: Server) -> None:
    postgres(live, "DELETE FROM orders WHERE customer = 2")
    run = carried(shop, live, upserting("ignore", proved=True))
    assert differences(run) != []
    move.finish_schema(run)
    assert rows(live, CUSTOMERS.format(f"{run.shadow}.")) == [(1, "Ana"), (2, "Björn"), (3, "桜")]
    assert differences(run) == []
    versions.upgrade_schema(run)
    carry.carry_over(run)
    switch.cutover(run)
    assert rows(live, CUSTOMERS.format("")) == [(1, "Ana"), (2, "Live"), (3, "桜"), (40, "Zoe")]


def test_a_row_that_does_not_fit_is_named(shop: Server, live: Server) -> None:
    run = ready(begin(shop, live, upserting()))
    before, gone = dump(live), "DELETE FROM customers WHERE id >= 50"
    for theirs, undo, words in (
        (
            "INSERT INTO customers VALUES (50, 'Ana')",
            gone,
            'unique constraint "by_name". Key (name)=(Ana) already exists. Name the columns of this index in conflict',
        ),
        (
            "ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey; INSERT INTO orders VALUES (80, 99, NULL)",
            "DELETE FROM orders WHERE id = 80; ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id)",
            'orders: a row that is there does not fit beside the source\'s: insert or update on table "orders" '
            'violates foreign key constraint "orders_customer". Key (customer)=(99) is not present in table "cus',
        ),
        (
            f"INSERT INTO customers VALUES (50, '{'x' * 51}')",
            gone,
            f"customers.name: '{'x' * 51}' of the live table would not be the same as character varying(50)",
        ),
        (
            "ALTER TABLE customers ALTER name DROP NOT NULL; INSERT INTO customers VALUES (50)",
            f"{gone}; ALTER TABLE customers ALTER name SET NOT NULL",
            'customers: a row that is there does not fit beside the source\'s: null value in column "name"',
        ),
        ("INSERT INTO customers VALUES (5000000000, 'far')", gone, "customers.id: a row that is there does not fit"),
    ):
        postgres(live, theirs)
        with pytest.raises(DataError) as refused:
            carry.carry_over(run)
        assert words in str(refused.value)
        postgres(live, undo)
    assert dump(live) == before
    carry.carry_over(run)
    assert rows(live, CUSTOMERS.format(f"{run.shadow}.")) == [(1, "Ana"), (2, "Björn"), (3, "桜"), (40, "Zoe")]


def test_what_cannot_be_is_refused_before_anything_changes(shop: Server, live: Server) -> None:
    """All at once, by name and with the cure."""
    mysql(
        shop,
        "ALTER TABLE customers ADD born DATE NOT NULL, ADD mail VARCHAR(9) UNIQUE, ADD size INT",
        "ALTER TABLE customers ADD up INT AS (id + 1)",
        "CREATE TABLE log (word TEXT)",
    )
    postgres(
        live,
        "ALTER TABLE customers ADD extra int, ADD size date, ADD up integer",
        "CREATE TABLE log (word text)",
    )
    before = schemas(live)
    keys = ["orders.note", "customers.mail", "nothing", ["orders.id", "orders.lost"]]
    with pytest.raises(NotStartedError) as refused:
        run_migration(begin(shop, live, upserting("update", keys)))
    where = "data.loading.strategy.upsert.conflictColumns: "
    for words in (
        where + "no table has nothing",
        where + "orders.note is no key or unique index",
        where + "orders.id and lost: the new table has no column lost",
        "customers: mail may be NULL",
        "customers.extra is in the live table and not in the new one",
        "customers.up is computed in the new table",
        "customers.born is not in the live table, may not be NULL and has no default",
        "customers.mail tells by which row is which, and is not in the live table",
        "customers.size is date in the live table and integer in the new one: cannot cast type date to integer",
        "log has no primary key",
    ):
        assert words in str(refused.value)
    assert schemas(live) == before


def test_a_second_run_gives_the_same_again(shop: Server, live: Server) -> None:
    mysql(
        shop,
        "ALTER TABLE customers ADD kind ENUM('a','b') DEFAULT 'b', ADD tags SET('x','y'), ADD paid DECIMAL(9,2), "
        "ADD seen TIMESTAMP NULL, ADD shout VARCHAR(60) AS (UPPER(name)) STORED",
        "UPDATE customers SET tags = 'x,y', paid = 1.50, seen = '2024-02-03 04:05:06' WHERE id = 1",
        "CREATE TRIGGER louder BEFORE UPDATE ON customers FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
    )
    written = upserting("update", ["customers.name", "id"])
    told = run_migration(begin(shop, live, written))
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    postgres(live, "INSERT INTO customers (name, kind) VALUES ('own', 'a')")
    everything = "SELECT * FROM customers ORDER BY id"
    first = rows(live, everything)
    assert [row[0] for row in first] == [1, 2, 3, 40, 41]
    run = begin(shop, live, written)
    told = run_migration(run)
    assert told.status == report.COMPLETED, (told.cause, told.losses)
    assert rows(live, everything) == first
    assert "customers: 2 rows that were there are kept, 3 others replaced" in kept(run)[0]
    postgres(live, "UPDATE customers SET kind = 'b' WHERE id = 41")
    assert rows(live, "SELECT name, shout FROM customers WHERE id = 41") == [("OWN", "OWN")]


@pytest.mark.slow
def test_partitions_sequences_circles_and_keys_of_several_kinds(source_db: Server, target_db: Server) -> None:
    mysql(
        source_db,
        "CREATE SEQUENCE tickets START WITH 100 INCREMENT BY 10 NOCACHE",
        "CREATE TABLE days (id INT, d DATE, w VARCHAR(9), PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d)) "
        "(PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')), PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "INSERT INTO days VALUES (1, '2019-01-01', 'a'), (1, '2021-01-01', 'b')",
        "CREATE TABLE bought (id BIGINT PRIMARY KEY DEFAULT NEXTVAL(tickets), n INT, UNIQUE KEY by_n (n))",
        "INSERT INTO bought (n) VALUES (1), (NULL)",
        "CREATE TABLE tree (id INT PRIMARY KEY, up INT, w VARCHAR(9), "
        "CONSTRAINT of_up FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE)",
        "INSERT INTO tree VALUES (1, 1, 'a'), (2, 1, 'b')",
    )
    written = upserting("ignore", ["bought.n", "bought.id", ["days.d", "days.id"]])
    assert run_migration(begin(source_db, target_db, written)).cause is None
    postgres(
        target_db,
        "INSERT INTO days VALUES (2, '2019-05-05', 'mine'), (3, '2022-02-02', 'mine')",
        "INSERT INTO bought (n) VALUES (7), (NULL)",
        "INSERT INTO tree VALUES (9, 8, 'mine'), (8, 2, 'mine')",
    )
    mysql(
        source_db,
        "INSERT INTO days VALUES (3, '2022-02-02', 'new'), (4, '2018-01-01', 'new')",
        "INSERT INTO bought VALUES (500, 7), (501, 8)",
        "UPDATE tree SET w = 'new'",
        "INSERT INTO tree VALUES (3, 2, 'new')",
    )
    run = begin(source_db, target_db, written)
    assert run_migration(run).cause is None
    assert rows(target_db, "SELECT id, d::text, w FROM days ORDER BY d") == [
        (4, "2018-01-01", "new"),
        (1, "2019-01-01", "a"),
        (2, "2019-05-05", "mine"),
        (1, "2021-01-01", "b"),
        (3, "2022-02-02", "mine"),
    ]
    assert rows(target_db, "SELECT id, n FROM bought ORDER BY id") == [
        (100, 1),
        (110, None),
        (120, 7),
        (130, None),
        (501, 8),
    ]
    assert rows(target_db, "SELECT * FROM tree ORDER BY id") == [
        (1, 1, "a"),
        (2, 1, "b"),
        (3, 2, "new"),
        (8, 2, "mine"),
        (9, 8, "mine"),
    ]
    assert one(target_db, "INSERT INTO bought (n) VALUES (9) RETURNING id") == 510


@pytest.mark.slow
def test_tables_and_columns_that_versions_make_keep_their_rows(
    shop: Server, target_db: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in access(shop, target_db).items():
        monkeypatch.setenv(name, value)
    written = upserting()
    home = migrations(tmp_path, written) / written.name
    arguments = ["schema", "revision", "shop", "-m", "zones", "--empty", "--migrations", str(home.parent)]
    path = Path(CliRunner().invoke(cli.app, arguments).stdout.removeprefix("wrote ").strip())
    head, _, _ = path.read_text().partition("def upgrade")
    path.write_text(
        f"{head}def upgrade():\n"
        "    op.create_table('zones', sa.Column('id', sa.Integer(), primary_key=True), sa.Column('name', sa.Text()))\n"
        "    op.execute(\"INSERT INTO zones VALUES (1, 'north')\")\n"
        "    op.add_column('orders', sa.Column('zone', sa.Integer(), sa.ForeignKey('zones.id'), server_default='1'))\n"
        "\n\ndef downgrade():\n    pass\n"
    )
    assert run_migration(begin(shop, target_db, written, home)).cause is None
    postgres(
        target_db,
        "INSERT INTO zones VALUES (2, 'south')",
        "UPDATE zones SET name = 'mine' WHERE id = 1",
        "INSERT INTO orders (customer, zone) VALUES (1, 2)",
    )
    told = run_migration(begin(shop, target_db, written, home))
    assert told.cause is None
    assert rows(target_db, "SELECT * FROM zones ORDER BY id") == [(1, "north"), (2, "south")]
    assert rows(target_db, "SELECT id, zone FROM orders ORDER BY id") == [(1, 1), (2, 1), (3, 1), (4, 2)]
