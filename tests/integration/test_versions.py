"""Versions of the target's schema: written, tried, applied by runs and to live tables, taken back, merged."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import access, begin, migrations, mysql, one, postgres, rows, schemas, spec
from typer.testing import CliRunner, Result

from cutover import cli, report
from cutover.dialects import postgresql
from cutover.errors import CutoverError
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import switch

Command = Callable[..., Result]
VERSIONED = {"types": {"schema": {"strategy": "versioned"}}}
BRANCHING = {"types": {"schema": {"strategy": "branching"}}}
ADD_ZONE = 'op.add_column("orders", sa.Column("zone", sa.Text(), server_default="north"))'
APPLIED = "SELECT version FROM schema_migrations ORDER BY version"


class Migration:
    """A migration's folder, and the command line on it."""

    def __init__(self, folder: Path, source: Server, target: Server, strategy: dict[str, Any]) -> None:
        self.source, self.target = source, target
        self.spec = spec(strategy=strategy)
        self.home = migrations(folder, self.spec) / self.spec.name

    def __call__(self, *words: str) -> str:
        """Run a command of ``cutover schema`` and return what it says; raise what it raises."""
        arguments = ["schema", words[0], "shop", *words[1:], "--migrations", str(self.home.parent)]
        done = CliRunner().invoke(cli.app, arguments)
        if isinstance(done.exception, CutoverError):
            raise done.exception
        assert done.exit_code in (0, 1), done.output
        return done.stdout

    def write(self, message: str, up: str, down: str = "pass", *options: str) -> str:
        """Write a version by hand and return its identifier."""
        path = Path(self("revision", "-m", message, "--empty", *options).removeprefix("wrote ").strip())
        head, _, _ = path.read_text().partition("def upgrade")
        path.write_text(f"{head}def upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n")
        return path.name.split("_")[0]

    def run(self, **params: Any) -> report.Report:
        told = run_migration(begin(self.source, self.target, self.spec, self.home, **params))
        assert told.cause is None
        return told


@pytest.fixture
def make(shop: Server, target_db: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Migration]:
    for name, value in access(shop, target_db).items():
        monkeypatch.setenv(name, value)
    return lambda strategy=VERSIONED: Migration(tmp_path, shop, target_db, strategy)


def live(target: Server) -> str:
    """The live schema, structure and rows, as pg_dump writes it."""
    command = [postgresql.program("pg_dump"), "--schema=public", "--dbname", target.url()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
    return "\n".join(lines)


def columns(target: Server, table: str = "orders") -> list[str]:
    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = %s"
    return [name for (name,) in rows(target, query + " ORDER BY ordinal_position", table)]


def test_a_run_applies_versions_upon_its_tables(make: Callable[..., Migration]) -> None:
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


def test_the_way_back_takes_versions_along(make: Callable[..., Migration]) -> None:
    shop = make()
    shop.run()
    before = live(shop.target)
    shop.write(
        "table", 'op.create_table("zones", sa.Column("id", sa.Integer(), primary_key=True))', 'op.drop_table("zones")'
    )
    this = begin(shop.source, shop.target, shop.spec, shop.home)
    assert run_migration(this).status == report.COMPLETED
    assert columns(shop.target, "zones") == ["id"]
    switch.rollback(this)
    switch.validate_rollback(this)
    assert live(shop.target) == before


def test_a_version_that_fails_stops_the_run_before_anything_changes(make: Callable[..., Migration]) -> None:
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
def test_the_way_back_of_a_version_is_tried(
    make: Callable[..., Migration], up: str, down: str, said: str | None
) -> None:
    shop = make()
    shop.write("it", up, down)
    if said is None:
        assert shop.run().status == report.COMPLETED
        assert columns(shop.target) == ["id", "customer"]
    else:
        with pytest.raises(NotStartedError, match=said):
            shop.run()


def test_live_tables_go_up_and_down(make: Callable[..., Migration]) -> None:
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


def test_a_way_back_after_an_upgrade_takes_that_along_too(make: Callable[..., Migration]) -> None:
    shop = make()
    before = live(shop.target)
    this = begin(shop.source, shop.target, shop.spec, shop.home)
    run_migration(this)
    shop.write("places", 'op.create_table("p", sa.Column("id", sa.Integer()))', 'op.drop_table("p")')
    shop("upgrade")
    switch.rollback(this)
    switch.validate_rollback(this)
    assert live(shop.target) == before


def test_forward_only_has_no_way_back(make: Callable[..., Migration]) -> None:
    shop = make({"types": {"schema": {"strategy": "forward_only"}}})
    version = shop.write("zones", ADD_ZONE)
    shop.run()
    with pytest.raises(CutoverError, match="have no way back: strategy is forward_only"):
        shop("downgrade", "base")
    assert rows(shop.target, APPLIED) == [(version,)]


def test_versions_that_a_run_does_not_apply_by_itself_wait(make: Callable[..., Migration]) -> None:
    shop = make({"types": {"schema": {"strategy": "versioned", "versioned": {"autoApply": False}}}})
    first = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    told = shop.run()
    assert "zone" not in columns(shop.target)
    assert f"version {first} waits for cutover schema upgrade" in "\n".join(told.notes)
    shop("upgrade")
    # What is applied stays so: the next run's tables have it.
    shop.run()
    assert "zone" in columns(shop.target)


def test_names_of_the_books_are_the_specs(make: Callable[..., Migration]) -> None:
    books = {"versionTable": "Changes", "versionColumn": "no", "appliedColumn": "at"}
    shop = make({"types": {"schema": {"strategy": "versioned", "versioned": books}}})
    version = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run()
    assert rows(shop.target, 'SELECT no, at <= now() FROM "Changes"') == [(version, True)]


def test_a_table_of_versions_that_is_something_else_is_refused(make: Callable[..., Migration]) -> None:
    shop = make()
    shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    postgres(shop.target, "CREATE TABLE schema_migrations (version text)")
    with pytest.raises(NotStartedError, match="is no table of versions: it has columns version"):
        shop.run()
    postgres(shop.target, "DROP TABLE schema_migrations")
    mysql(shop.source, "CREATE TABLE schema_migrations (version INT PRIMARY KEY)")
    with pytest.raises(NotStartedError, match="would be the table of versions, and comes from the source"):
        shop.run()


def test_a_version_that_is_applied_and_lost_is_named(make: Callable[..., Migration]) -> None:
    shop = make()
    version = shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run()
    (shop.home / "versions" / f"{version}_zones.py").unlink()
    shop.write("other", "pass")
    with pytest.raises(NotStartedError, match=f"version {version} is applied in the target, and not in"):
        shop.run()


def test_a_file_that_changed_after_the_plan_stops_the_run(make: Callable[..., Migration]) -> None:
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


def test_chosen_tables_and_versions_do_not_go_together(make: Callable[..., Migration]) -> None:
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


def test_drift_is_found_and_kept_as_a_version(make: Callable[..., Migration]) -> None:
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


def test_the_way_back_to_what_the_source_has(make: Callable[..., Migration]) -> None:
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


def test_lines_that_do_not_touch_each_other_merge(make: Callable[..., Migration]) -> None:
    shop = make(BRANCHING)
    base = shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    lane = shop.write(
        "lane",
        'op.add_column("customers", sa.Column("lane", sa.Text()))',
        'op.drop_column("customers", "lane")',
        "--branch",
        "lanes",
    )
    more = shop.write(
        "more", 'op.add_column("orders", sa.Column("more", sa.Text()))', 'op.drop_column("orders", "more")'
    )
    shop.run()
    # A branch that is not merged is not applied by a run.
    assert rows(shop.target, APPLIED) == [(base,), (more,)]
    shop("upgrade", "--branch", "lanes")
    assert rows(shop.target, "SELECT branch, version, merged FROM migration_branches") == [("lanes", lane, False)]
    assert [line.split() for line in shop("branches").splitlines()] == [
        ["main", more, "applied"],
        ["lanes", lane, "applied", "not", "merged"],
    ]
    said = shop("merge", "lanes")
    merging = said.split()[-1]
    assert said.startswith("branch lanes is merged by version")
    with pytest.raises(CutoverError, match="branch lanes is merged already"):
        shop("merge", "lanes")
    shop("upgrade")
    assert rows(shop.target, APPLIED) == [(base,), (lane,), (more,), (merging,)]
    assert rows(shop.target, "SELECT branch, version, merged FROM migration_branches") == [("lanes", lane, True)]
    shop.run()
    assert {"lane"} <= {*columns(shop.target, "customers")}
    assert shop("diff") == "no differences\n"


def test_a_branch_is_put_behind_the_main_line(make: Callable[..., Migration]) -> None:
    shop = make({"types": {"schema": {"strategy": "branching", "branching": {"mergeStrategy": "rebase"}}}})
    base = shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    lane = shop.write(
        "lane",
        'op.add_column("customers", sa.Column("lane", sa.Text()))',
        'op.drop_column("customers", "lane")',
        "--branch",
        "lanes",
    )
    more = shop.write(
        "more", 'op.add_column("orders", sa.Column("more", sa.Text()))', 'op.drop_column("orders", "more")'
    )
    shop.run()
    shop("upgrade", "--branch", "lanes")
    with pytest.raises(CutoverError, match=f"version {lane} of branch lanes is applied in the target"):
        shop("merge", "lanes")
    shop("downgrade", "previous")
    shop("merge", "lanes")
    assert [line.split()[0] for line in shop("history").splitlines()] == [base, more, lane]
    assert shop("branches").split() == ["main", lane, "not", "applied"]
    shop.run()
    assert "lane" in columns(shop.target, "customers")


@pytest.mark.parametrize("resolution", ["manual", "auto"])
def test_lines_in_conflict_are_refused_or_put_in_order(make: Callable[..., Migration], resolution: str) -> None:
    settings = {"versioned": {"rollback": False}, "branching": {"conflictResolution": resolution}}
    shop = make({"types": {"schema": {"strategy": "branching"} | settings}})
    kind = 'op.alter_column("orders", "note", type_=sa.String({}))'
    shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.write("theirs", kind.format(20), 'op.alter_column("orders", "note", type_=sa.Text())', "--branch", "lanes")
    shop.write("ours", kind.format(30), 'op.alter_column("orders", "note", type_=sa.Text())')
    if resolution == "manual":
        with pytest.raises(CutoverError, match=r"in conflict: their order matters for ~ column orders\.note"):
            shop("merge", "lanes")
        assert "merge" not in "".join(path.name for path in (shop.home / "versions").iterdir())
        return
    assert "the branch comes last: their order matters for ~ column orders.note" in shop("merge", "lanes")
    shop.run()
    query = "SELECT character_maximum_length FROM information_schema.columns WHERE column_name = 'note'"
    assert one(shop.target, query + " AND table_schema = 'public'") == 20


def test_a_branch_that_cannot_come_last_is_refused(make: Callable[..., Migration]) -> None:
    shop = make({"types": {"schema": {"strategy": "branching", "branching": {"conflictResolution": "auto"}}}})
    shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.write(
        "theirs",
        'op.drop_column("orders", "note")',
        'op.add_column("orders", sa.Column("note", sa.Text()))',
        "--branch",
        "lanes",
    )
    shop.write("ours", 'op.drop_column("orders", "note")', 'op.add_column("orders", sa.Column("note", sa.Text()))')
    with pytest.raises(CutoverError, match=r'the branch cannot follow the main line: .*column "note"'):
        shop("merge", "lanes")


def test_branches_need_their_strategy(make: Callable[..., Migration]) -> None:
    shop = make()
    with pytest.raises(CutoverError, match="versions branch with strategy branching; the spec says versioned"):
        shop("revision", "-m", "x", "--empty", "--branch", "lanes")


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


def test_nothing_is_left_of_rehearsals(make: Callable[..., Migration]) -> None:
    shop = make()
    shop.write("zones", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.run(mode="dry_run")
    assert schemas(shop.target) == {"public"}
