"""What is wrong is said in words, with the cure, before anything in the target changes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from helpers import (
    SECRET,
    access,
    account,
    begin,
    dump,
    endpoint,
    migrations,
    mysql,
    mysql_rows,
    postgres,
    ready,
    role,
    rows,
    schemas,
    spec,
)
from program import cutover

from cutover import report
from cutover.data.sync import binlog
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, VerificationError
from cutover.local.program import free_port
from cutover.local.servers import Server, mariadb
from cutover.run import NotStartedError, run_migration
from cutover.steps import check, move, switch


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(
        source_db,
        "CREATE TABLE goods (id INT PRIMARY KEY, word VARCHAR(20))",
        "INSERT INTO goods VALUES (1, 'a'), (2, 'b')",
    )
    return source_db


@pytest.fixture
def live(target_db: Server) -> Iterator[Server]:
    """A target that must be at the end what it is now."""
    postgres(target_db, "CREATE TABLE other (id int)", "INSERT INTO other VALUES (1)")
    before = dump(target_db)
    yield target_db
    assert dump(target_db) == before


def refused(source: Server | Endpoint, target: Server | Endpoint, *parts: Any, **params: Any) -> str:
    """Run a migration that cannot start, and return what it says."""
    run = begin(source, target, *parts, **params)
    with pytest.raises(NotStartedError) as problem:
        run_migration(run)
    told = report.build(run.ledger, run.id)
    assert told.status == report.FAILED
    assert told.cause
    text = str(problem.value)
    assert "Traceback" not in text
    for end in (run.source, run.target):
        assert not end.password or end.password not in text
    return text


def test_a_source_that_is_not_there(shop: Server, live: Server) -> None:
    nowhere = endpoint(shop, port=free_port())
    text = refused(nowhere, live)
    assert f"source {nowhere}: cannot be reached" in text
    assert "is it up, and host and port right?" in text


def test_a_target_that_is_not_there(shop: Server, live: Server) -> None:
    nowhere = endpoint(live, port=free_port())
    text = refused(shop, nowhere)
    assert str(nowhere) in text
    assert "onnection" in text


def test_both_ends_are_looked_at_before_anything_is_said(shop: Server, live: Server) -> None:
    text = refused(endpoint(shop, password="wrong-one"), endpoint(live, password="wrong-two"))
    assert f"source {endpoint(shop)}: the server refused the login; check the user and password" in text
    assert f"{endpoint(live)}" in text
    assert text.count("check the user and password") == 2
    assert "wrong-" not in text


def test_databases_that_do_not_exist(shop: Server, live: Server) -> None:
    text = refused(endpoint(shop, database="no_such_source"), endpoint(live, database="no_such_target"))
    assert "no_such_source" in text
    assert 'database "no_such_target" does not exist' in text


def test_a_source_account_that_sees_one_table_only(shop: Server, live: Server) -> None:
    with account(shop, f"GRANT SELECT ON {shop.name}.goods TO {{account}}@'%'") as name:
        text = refused(endpoint(shop, user=name, password=SECRET), live)
    assert f"{name} may not SELECT from all of {shop.name}" in text
    assert f"GRANT SELECT ON `{shop.name}`.* TO it" in text


def test_a_target_role_that_may_create_nothing(shop: Server, live: Server) -> None:
    with role(live) as name:
        text = refused(shop, endpoint(live, user=name, password=SECRET))
        assert f"{name} may not create schemas; GRANT CREATE ON DATABASE" in text
        assert f'{name} may not create tables; GRANT CREATE ON SCHEMA "public" TO it' in text


def test_a_role_with_no_more_than_it_needs(shop: Server, target_db: Server) -> None:
    """SELECT on the source, without a look at its binary log; CREATE on the target."""
    grants = (f"GRANT CREATE ON DATABASE {target_db.name} TO {{role}}", "GRANT CREATE ON SCHEMA public TO {role}")
    with (
        account(shop, f"GRANT SELECT, TRIGGER, EVENT, EXECUTE ON {shop.name}.* TO {{account}}@'%'") as reader,
        role(target_db, *grants) as writer,
    ):
        run = begin(endpoint(shop, user=reader, password=SECRET), endpoint(target_db, user=writer, password=SECRET))
        assert run_migration(run).status == report.COMPLETED
        assert binlog.position(run.source) is None
        assert rows(target_db, "SELECT id, word FROM goods ORDER BY id") == [(1, "a"), (2, "b")]


def test_a_target_in_another_encoding(shop: Server, pg_server: Server) -> None:
    latin = replace(pg_server, name="t_latin")
    postgres(
        replace(pg_server, name="postgres"), "CREATE DATABASE t_latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0"
    )
    try:
        assert "has encoding LATIN1; CREATE DATABASE ... ENCODING 'UTF8'" in refused(shop, latin)
    finally:
        postgres(replace(pg_server, name="postgres"), "DROP DATABASE t_latin WITH (FORCE)")


def test_a_target_that_is_not_empty(shop: Server, target_db: Server) -> None:
    postgres(target_db, "CREATE TABLE goods (id int)")
    before = dump(target_db)
    assert "goods were not made by this migration" in refused(shop, target_db)
    assert dump(target_db) == before


def test_a_source_without_tables(source_db: Server, live: Server) -> None:
    assert f"no table of {source_db.name} is there: nothing could be moved" in refused(source_db, live)
    mysql(source_db, "CREATE TABLE temp_t (id INT)")
    assert f"no table of {source_db.name} matches schema.settings.tables.patterns" in refused(source_db, live)


def test_a_table_without_a_key(shop: Server, target_db: Server) -> None:
    mysql(shop, "CREATE TABLE heap (word TEXT)", "INSERT INTO heap VALUES ('x'), ('x'), (NULL)")
    assert run_migration(begin(shop, target_db)).status == report.COMPLETED
    assert rows(target_db, "SELECT word FROM heap ORDER BY 1") == [("x",), ("x",), (None,)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("colour = 'red'", "rowFilters.goods: goods has no column 'colour'; it has id, word"),
        ("id = 1; DROP TABLE goods", "rowFilters.goods: "),
        ("id IN (SELECT 1)", "rowFilters.goods: subqueries are not allowed"),
        ("id = ", "rowFilters.goods: not a condition"),
        ("id = 1 ORDER BY id", "rowFilters.goods: must be one condition, nothing after it"),
        ("1 = 1 UNION SELECT 2", "rowFilters.goods: "),
    ],
)
def test_a_row_filter_that_is_none(shop: Server, live: Server, written: str, said: str) -> None:
    filters = {"filtering": {"enabled": True, "rowFiltering": True, "rowFilters": {"goods": written}}}
    assert said in refused(shop, live, spec(data={"extraction": filters}))
    assert len(_goods(shop)) == 2


def _goods(shop: Server) -> list[tuple[Any, ...]]:
    return mysql_rows(shop, "SELECT id FROM goods")


def test_names_that_the_source_does_not_have(shop: Server, live: Server) -> None:
    mapping = {"mapping": {"fieldMapping": {"good": {"id": "key"}, "goods": {"wrod": "w"}}}}
    text = refused(shop, live, spec(data={"transformation": mapping}), tables=["gods"])
    assert "table 'gods' was asked for" in text
    assert "has no table 'good'" in text


def test_a_new_name_that_postgresql_cannot_hold(shop: Server, live: Server) -> None:
    # Bytes count, not characters.
    mapping = {"mapping": {"fieldMapping": {"goods": {"word": "ü" * 32}}}}
    text = refused(shop, live, spec(data={"transformation": mapping}))
    assert f"column goods.{'ü' * 32} has a name of 64 bytes, PostgreSQL holds 63" in text


def test_two_columns_that_become_one(shop: Server, live: Server) -> None:
    mapping = {"mapping": {"fieldMapping": {"goods": {"word": "id"}}}}
    text = refused(shop, live, spec(data={"transformation": mapping}))
    assert "goods" in text
    assert "id" in text


def test_a_type_that_has_no_exact_way(shop: Server, live: Server) -> None:
    columns = {"typeMapping": {"varchar(20)": "money"}}
    text = refused(shop, live, spec(schema={"settings": {"tables": {"columns": columns}}}))
    assert "typeMapping" in text
    assert "no exact way to carry 'money'" in text


def test_a_closed_window(shop: Server, live: Server) -> None:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    far = days[(datetime.now(UTC).weekday() + 3) % 7]
    window = {"enabled": True, "startTime": "02:00", "endTime": "06:00", "timezone": "UTC", "days": [far]}
    planning = {"planning": {"scheduling": {"enabled": True, "maintenanceWindow": window}}}
    text = refused(shop, live, spec(strategy=planning))
    assert f"outside the maintenance window of shop: {far} 02:00-06:00 UTC" in text
    assert "ignore_window" in text


def test_a_staging_disk_without_room(shop: Server, live: Server) -> None:
    """/dev/full is a disk that is full: every write to it fails with ENOSPC."""
    run = begin(shop, live)
    check.make_plan(run)
    run.staging.mkdir(parents=True, exist_ok=True)
    (chunk,) = run.plan.chunks
    move._staged(run, chunk, "extracted").with_suffix(".partial").symlink_to("/dev/full")
    with pytest.raises(PreflightError, match=r"no space left for staging in .*; free some, or set CUTOVER_STAGING"):
        move.extract_batch(run, 0)
    assert not list(run.staging.iterdir())
    move.extract_batch(run, 0)
    assert run.ledger.last(run.id, "extracted") is not None


def test_a_staging_disk_that_is_too_small(
    shop: Server, live: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    monkeypatch.setenv("CUTOVER_STAGING", str(small))
    try:
        mysql(
            shop,
            "CREATE TABLE large (id INT PRIMARY KEY, word TEXT)",
            *(f"INSERT INTO large VALUES ({n}, REPEAT('x', 10000))" for n in range(30)),
            "ANALYZE TABLE large",
        )
        text = refused(shop, live)
        assert "MB free, the run may need" in text
        assert "set CUTOVER_STAGING to a folder on a larger disk" in text
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_home_that_cannot_be_written(shop: Server, live: Server, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = cutover(["run", "--source", shop.url(), "--target", live.url()], {"CUTOVER_HOME": str(blocked / "home")})
    assert done.returncode == 2
    assert str(blocked) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "mysql://u@h:1/d"], "both --source and --target"),
        (["--source", "postgresql://u@h:1/d", "--target", "postgresql://u@h:1/d"], "--source must be a mysql URL"),
        (["--source", "mysql://u@h:1", "--target", "postgresql://u@h:1/d"], "a database URL must read"),
        (["--source", "mysql://u@h:port/d", "--target", "postgresql://u@h:1/d"], "port"),
        (["--source", "mysql://u:secret@h:port/d", "--target", "postgresql://u:secret@h:1/d"], "the port in mysql://h"),
        (["--source", "mysql://u:secret@[h:1/d", "--target", "postgresql://u@h:1/d"], "URL cannot be read"),
        (["--source", "mysql://u@h:1/d?ssl=1", "--target", "postgresql://u@h:1/d"], "unknown URL option 'ssl'"),
        (["nothing_there"], "nothing_there"),
        (["shop", "--mode", "careless"], "mode 'careless' is not built"),
        (["shop", "--workers", "0"], "workers must be a whole number from 1"),
        (["shop", "--no-verify"], "not both"),
        (["shop"], "environment variable SOURCE_DB_HOST is not set"),
    ],
)
def test_a_command_that_makes_no_sense(tmp_path: Path, arguments: list[str], said: str) -> None:
    folder = migrations(tmp_path, spec())
    done = cutover(["run", *arguments, "--migrations", str(folder)])
    assert done.returncode == 2
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_spec_that_is_wrong_names_file_line_and_cure(tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    path = folder / "shop" / "migration.yaml"
    path.write_text(path.read_text() + "data:\n  loading:\n    strategy:\n      bulk: {batchsize: 5}\n")
    line = len(path.read_text().splitlines())
    done = cutover(["run", "shop", "--migrations", str(folder)])
    assert done.returncode == 2
    assert f"{path}:{line}: data.loading.strategy.bulk.batchsize: unknown key" in done.stderr.replace("\n", " ")
    assert "did you mean 'batchSize'?" in done.stderr


def test_an_unreachable_server_by_the_command_line(shop: Server, live: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    file = tmp_path / "report.json"
    environment = access(shop, live) | {"SOURCE_DB_PORT": str(free_port())}
    done = cutover(["run", "shop", "--migrations", str(folder), "--report", str(file)], environment)
    assert done.returncode == 2
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert '"status": "failed"' in file.read_text()
    assert schemas(live) == {"public"}


def test_a_source_without_a_binary_log(server_folder: Path, live: Server) -> None:
    """A bulk run needs none: that the source stood still is told by its tables' checksums."""
    folder = server_folder / "without-binlog"
    folder.mkdir()
    folder.chmod(0o755)
    with mariadb(folder, options=["--skip-log-bin"]) as source:
        mysql(source, "CREATE TABLE goods (id INT PRIMARY KEY)", "INSERT INTO goods VALUES (1)")
        assert mysql_rows(source, "SELECT @@log_bin") == [(0,)]
        run = begin(source, live, spec(into="shop"))
        assert run_migration(run).status == report.COMPLETED
        assert rows(live, "SELECT id FROM shop.goods") == [(1,)]
        (event,) = (e for e in run.ledger.events(run.id, "step_finished") if e.detail["step"] == "preflight")
        assert event.detail["binlog"] is None
        mysql(source, "CREATE TABLE `rates: 5%` (id INT PRIMARY KEY)")
        for allowed in (False, True):
            run = ready(begin(source, live, spec(into="shop"), allow_source_changes=allowed))
            mysql(source, "UPDATE goods SET id = id + 1")
            if not allowed:
                with pytest.raises(VerificationError, match="written to during the run, in goods: what arrived"):
                    switch.cutover(run)
        switch.cutover(run)
        told = report.build(run.ledger, run.id).losses
        assert "the source was written to during the run, in goods: what is there now may not have arrived" in told
        assert rows(live, "SELECT id FROM shop.goods") == [(2,)]
        postgres(live, f"DROP SCHEMA {', '.join(schemas(live) - {'public'})} CASCADE")
