"""Versions of the target's schema: written, tried, applied by runs and to live tables, taken back."""

from __future__ import annotations

import re

import pytest
from helpers import begin, mysql, postgres, rows, schemas
from versioned import ADD_ZONE, APPLIED, Make, columns, live

from cutover import report
from cutover.errors import CutoverError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import back


def test_a_run_applies_versions_upon_its_tables(make: Make) -> None:
    shop = make()
    first = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    second = shop.write(
        "filled", "op.execute(\"UPDATE orders SET zone = 'south' WHERE note = 'a:b' OR id = 1\")", "pass"
    )
    told = shop.run()
    assert told.status == report.COMPLETED
    assert rows(shop.target, "SELECT id, zone FROM orders ORDER BY id") == [(1, "south"), (2, "north"), (3, "north")]
    assert rows(shop.target, APPLIED) == [(first,), (second,)]
    assert f"version {first} is applied" in "\n".join(told.notes)
    # The next run makes its tables anew, and has them all again.
    third = shop.write("index", 'op.create_index("by_zone", "orders", ["zone"])', 'op.drop_index("by_zone")')
    shop.run()
    assert rows(shop.target, APPLIED) == [(first,), (second,), (third,)]
    assert shop("diff") == "no differences\n"


@pytest.mark.slow
def test_the_way_back_takes_versions_along(make: Make) -> None:
    shop = make()
    shop.run()
    before = live(shop.target)
    shop.write(
        "table", 'op.create_table("zones", sa.Column("id", sa.Integer(), primary_key=True))', 'op.drop_table("zones")'
    )
    this = begin(shop.source, shop.target, shop.spec, shop.home)
    assert run_migration(this).status == report.COMPLETED
    assert columns(shop.target, "zones") == ["id"]
    back.rollback(this)
    back.validate_rollback(this)
    assert live(shop.target) == before


def test_a_version_that_fails_stops_the_run_before_anything_changes(make: Make) -> None:
    shop = make()
    version = shop.write("wrong", 'op.drop_column("orders", "nowhere")')
    before = live(shop.target)
    with pytest.raises(NotStartedError, match=f'version {version} \\(wrong\\): .*column "nowhere"'):
        shop.run()
    assert live(shop.target) == before


@pytest.mark.parametrize(
    ("up", "down", "said"),
    [
        (ADD_ZONE, "pass", 'the target refuses it: column "zone" of relation "orders" already exists'),
        (ADD_ZONE, "raise NotImplementedError('lost')", "has no way back: lost"),
        ('op.drop_column("orders", "note")', 'op.add_column("orders", sa.Column("note", sa.Text()))', None),
        (
            'op.execute("CREATE MATERIALIZED VIEW m AS SELECT 1")',
            'op.execute("DROP MATERIALIZED VIEW m")',
            "makes materi",
        ),
        ("import nowhere", "pass", "No module named 'nowhere'"),
    ],
)
def test_the_way_back_of_a_version_is_tried(make: Make, up: str, down: str, said: str | None) -> None:
    shop = make()
    shop.write("it", up, down)
    if said is None:
        assert shop.run().status == report.COMPLETED
        assert columns(shop.target) == ["id", "customer"]
    else:
        with pytest.raises(NotStartedError, match=said):
            shop.run()


def test_live_tables_go_up_and_down(make: Make) -> None:
    shop = make()
    shop.run()
    before = live(shop.target)
    first = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    second = shop.write("places", 'op.create_table("p", sa.Column("id", sa.Integer()))', 'op.drop_table("p")')
    script = shop("upgrade", "--sql")
    assert "ALTER TABLE orders ADD COLUMN zone TEXT DEFAULT 'north';" in script
    assert f"VALUES ('{first}'" in script
    assert live(shop.target) == before
    assert shop("upgrade") == f"applied {first} zones\napplied {second} places\n"
    up = live(shop.target)
    assert shop("upgrade") == "nothing to do: schema public is there\n"
    listed = shop("history").splitlines()
    assert [line.split()[0] for line in listed] == [first, second]
    assert not any("not applied" in line for line in listed)
    assert shop("downgrade", "previous") == f"took back {second} places\n"
    assert columns(shop.target, "p") == []
    assert shop("downgrade", "base") == f"took back {first} zones\n"
    postgres(shop.target, "DROP TABLE schema_migrations")
    assert live(shop.target) == before
    shop("upgrade", first)
    assert rows(shop.target, APPLIED) == [(first,)]
    shop("upgrade")
    taken = "SELECT version, 'applied' FROM schema_migrations ORDER BY 1"
    assert rows(shop.target, taken) == [(first, "applied"), (second, "applied")]
    assert _schema(live(shop.target)) == _schema(up)
    # The next run knows that what versions made is the migration's own, and replaces it.
    shop.run()
    assert columns(shop.target, "p") == ["id"]


def _schema(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith(("2", "\\"))]


def test_a_way_back_after_an_upgrade_takes_that_along_too(make: Make) -> None:
    shop = make()
    before = live(shop.target)
    this = begin(shop.source, shop.target, shop.spec, shop.home)
    run_migration(this)
    shop.write("places", 'op.create_table("p", sa.Column("id", sa.Integer()))', 'op.drop_table("p")')
    shop("upgrade")
    back.rollback(this)
    back.validate_rollback(this)
    assert live(shop.target) == before


def test_forward_only_has_no_way_back(make: Make) -> None:
    shop = make({"types": {"schema": {"strategy": "forward_only"}}})
    version = shop.write("zones", ADD_ZONE)
    shop.run()
    with pytest.raises(CutoverError, match="have no way back: strategy is forward_only"):
        shop("downgrade", "base")
    assert rows(shop.target, APPLIED) == [(version,)]


@pytest.mark.slow
def test_versions_that_a_run_does_not_apply_by_itself_wait(make: Make) -> None:
    shop = make({"types": {"schema": {"strategy": "versioned", "versioned": {"autoApply": False}}}})
    first = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    told = shop.run()
    assert "zone" not in columns(shop.target)
    assert f"version {first} waits for cutover schema upgrade" in "\n".join(told.notes)
    shop("upgrade")
    # What is applied stays so: the next run's tables have it.
    shop.run()
    assert "zone" in columns(shop.target)


@pytest.mark.slow
def test_names_of_the_books_are_the_specs(make: Make) -> None:
    books = {"versionTable": "Changes", "versionColumn": "no", "appliedColumn": "at"}
    shop = make({"types": {"schema": {"strategy": "versioned", "versioned": books}}})
    version = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run()
    assert rows(shop.target, 'SELECT no, at <= now() FROM "Changes"') == [(version, True)]


def test_a_table_of_versions_that_is_something_else_is_refused(make: Make) -> None:
    shop = make()
    shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    postgres(shop.target, "CREATE TABLE schema_migrations (version text)")
    with pytest.raises(NotStartedError, match="is no table of versions: it has columns version"):
        shop.run()
    postgres(shop.target, "DROP TABLE schema_migrations")
    mysql(shop.source, "CREATE TABLE schema_migrations (version INT PRIMARY KEY)")
    with pytest.raises(NotStartedError, match="would be the table of versions, and comes from the source"):
        shop.run()


@pytest.mark.slow
def test_a_version_that_is_applied_and_lost_is_named(make: Make) -> None:
    shop = make()
    version = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run()
    (shop.home / "versions" / f"{version}_zones.py").unlink()
    shop.write("other", "pass")
    with pytest.raises(NotStartedError, match=f"version {version} is applied in the target, and not in"):
        shop.run()


def test_a_file_that_changed_after_the_plan_stops_the_run(make: Make) -> None:
    from helpers import finished

    from cutover.errors import DriftError
    from cutover.steps import versions

    shop = make()
    version = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    this = finished(begin(shop.source, shop.target, shop.spec, shop.home))
    path = shop.home / "versions" / f"{version}_zones.py"
    path.write_text(path.read_text().replace("north", "west"))
    with pytest.raises(DriftError, match=f"the file of version {version} is another"):
        versions.upgrade_schema(this)


def test_chosen_tables_and_versions_do_not_go_together(make: Make) -> None:
    shop = make()
    shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    with pytest.raises(NotStartedError, match="run without choosing tables"):
        shop.run(tables=("orders",))


# What another hand changed is found before the next run would take it away, and can be kept as a version.

DRIFT = (
    "ALTER TABLE orders ADD zone varchar(20) COLLATE \"C\" NOT NULL DEFAULT 'it''s :a 100%'",
    "ALTER TABLE orders ALTER note TYPE varchar(200)",
    "ALTER TABLE orders ADD total numeric(9,2) GENERATED ALWAYS AS (id * 2) STORED",
    "CREATE INDEX by_zone ON orders (zone text_pattern_ops DESC) WHERE zone <> ':b'",
    "ALTER TABLE orders ADD CONSTRAINT known CHECK (zone <> ' :c') NOT VALID",
    "COMMENT ON COLUMN orders.note IS 'their ''words'': 100%'",
    "COMMENT ON TABLE orders IS 'all'",
    "ALTER TABLE customers ALTER name DROP NOT NULL",
    "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE",
    "DROP INDEX by_name",
)


def test_drift_is_found_and_kept_as_a_version(make: Make) -> None:
    shop = make()
    shop.run()
    postgres(shop.target, *DRIFT)
    with pytest.raises(NotStartedError) as refused:
        shop.run()
    assert "schema public is not as the last run left it: + index orders.by_zone" in str(refused.value)
    assert "~ column orders.note: text -> character varying(200)" in str(refused.value)
    assert "cutover schema revision shop" in str(refused.value)
    changed = shop("diff", "--from", "last", "--to", "target")
    script = shop("diff", "--from", "last", "--to", "target", "--sql")
    assert "ALTER TABLE orders ADD COLUMN zone character varying(20)" in script
    assert 'op.add_column("orders"' in shop(
        "diff", "--from", "last", "--to", "target", "--format", "operations"
    ).replace("'", '"')
    drifted = _structure(shop.target)
    assert shop("revision", "-m", "by hand").startswith("wrote ")
    shop.run(replace_target=True)
    assert _structure(shop.target) == drifted
    assert shop("diff", "--from", "last", "--to", "target") == "no differences\n"
    shop("downgrade", "base")
    assert shop("diff", "--from", "target", "--to", "spec") == changed
    shop("upgrade")
    assert _structure(shop.target) == drifted


def _structure(target: Server) -> list[str]:
    """The schema's lines as pg_dump writes them, without the versions' own table and whatever the order."""
    text = re.sub(r"CREATE TABLE public\.schema_migrations \(.*?\);", "", live(target), flags=re.DOTALL)
    # A run lets every routine find its tables; one made by hand need not.
    idle = ("schema_migrations", "SET search_path")
    lines = (line.rstrip(",") for line in text.splitlines() if not any(words in line for words in idle))
    return sorted(line for line in lines if line.startswith(("    ", "CREATE", "COMMENT", "ALTER")))


@pytest.mark.slow
def test_the_way_back_to_what_the_source_has(make: Make) -> None:
    """Differences of every kind lead there and back: a type's labels, views upon views, routines, triggers."""
    shop = make()
    mysql(
        shop.source,
        "ALTER TABLE orders ADD size ENUM('s', 'm') DEFAULT 's'",
        "CREATE VIEW big AS SELECT id, size FROM orders",
        "CREATE VIEW bigger AS SELECT id FROM big",
        "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
        "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = 'new'",
        "CREATE TABLE parts (id INT NOT NULL, day DATE NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (YEAR(day)) "
        "(PARTITION old VALUES LESS THAN (2020), PARTITION new VALUES LESS THAN MAXVALUE)",
    )
    shop.run()
    postgres(
        shop.target,
        "DROP VIEW bigger",
        "DROP VIEW big",
        "ALTER TABLE orders ALTER size DROP DEFAULT",
        "ALTER TABLE orders ALTER size TYPE text",
        "DROP TYPE orders_size_enum",
        "CREATE TYPE orders_size_enum AS ENUM ('l', 's', 'm', 'it''s')",
        "ALTER TABLE orders ALTER size TYPE orders_size_enum USING size::orders_size_enum",
        "ALTER TABLE orders ALTER size SET DEFAULT 'm'",
        "CREATE VIEW big AS SELECT id, size, note FROM orders",
        "CREATE VIEW bigger AS SELECT id FROM big WHERE id > 1",
        "DROP FUNCTION twice",
        "CREATE FUNCTION twice(n bigint) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT n + n + 0'",
        "DROP TRIGGER stamp ON orders",
        "DROP TABLE parts",
    )
    shop("revision", "-m", "there")
    assert [line for line in shop("diff").splitlines() if "schema_migrations" not in line] == []
    changed = _structure(shop.target)
    shop.run(replace_target=True)
    assert _structure(shop.target) == changed
    with pytest.raises(CutoverError, match="target and spec do not differ: nothing to write down"):
        shop("revision", "-m", "none", "--from", "target", "--to", "spec")


# Branches.


def test_a_spec_whose_parts_disagree_is_refused() -> None:
    for part, said in (
        ({"strategy": "versioned", "versioned": {"enabled": False}}, "is false, and strategy says versioned"),
        ({"versioned": {"enabled": True}}, "is true, and strategy says forward_only"),
        ({"branching": {"branchTable": "b"}}, "has no effect with strategy forward_only"),
    ):
        with pytest.raises(ValueError, match=said):
            MigrationSpec.model_validate(
                {"name": "x", "source": {"env": "A"}, "target": {"env": "B"}, "strategy": {"types": {"schema": part}}}
            )


def test_nothing_is_left_of_rehearsals(make: Make) -> None:
    shop = make()
    shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run(mode="dry_run")
    assert schemas(shop.target) == {"public"}
