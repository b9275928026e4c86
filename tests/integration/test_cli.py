"""The command line as an operator and a script see it: what it exits with, prints, writes and hides."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import jsonschema
import psutil
import pytest
import yaml
from helpers import (
    CAMERA,
    access,
    account,
    held_at_once,
    migrations,
    mysql,
    postgres,
    role,
    rows,
    schemas,
    spec,
    wait_for,
    waiting,
)
from program import cutover, started
from typer.testing import CliRunner

from cutover.cli import app
from cutover.data.shadow import name_for
from cutover.errors import PreflightError
from cutover.ledger import Ledger
from cutover.local.servers import Server

PASSWORD = "pa$%ss w:rd/é"


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(
        source_db,
        "CREATE TABLE goods (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20), KEY by_word (word))",
        "INSERT INTO goods (word) VALUES ('a'), ('b'), ('桜')",
    )
    return source_db


def arrived(target: Server, schema: str) -> list[tuple[object, ...]]:
    return rows(target, f'SELECT id, word FROM "{schema}".goods ORDER BY id')


GOODS = [(1, "a"), (2, "b"), (3, "桜")]


@pytest.mark.parametrize(
    ("report", "why"),
    [("/nonexistent/x.json", "there is no folder /nonexistent"), ("/tmp", "is a folder")],
    ids=["missing", "folder"],
)
@pytest.mark.parametrize("command", ["run", "assess", "verify", "validate"])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(command: str, report: str, why: str) -> None:
    with pytest.raises(PreflightError, match=f"--report {report}: {why}"):
        printed(command, "shop", "--report", report)


def test_a_report_that_cannot_be_written_is_2() -> None:
    done = cutover(["run", "shop", "--report", "/nonexistent/x.json"])
    assert done.returncode == 2, done.stdout + done.stderr
    assert "there is no folder /nonexistent" in done.stderr
    assert "Traceback" not in done.stderr


def test_complete_is_0(shop: Server, target_db: Server, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    arguments = ["run", "--source", shop.url(), "--target", target_db.url(), "--report", str(file)]
    done = cutover(arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert arrived(target_db, shop.name) == GOODS
    told = json.loads(file.read_text())
    assert told["status"] == "completed"
    assert told["tables"][0]["rows"] == told["tables"][0]["verified"] == 3
    assert told["chain"] is None
    assert "completed" in done.stdout
    assert "goods" in done.stdout
    assert "chain intact" in done.stdout
    # And again: it replaces what it made.
    mysql(shop, "UPDATE goods SET word = 'z' WHERE id = 2")
    assert cutover(arguments).returncode == 0
    assert arrived(target_db, shop.name)[1] == (2, "z")


def test_complete_with_losses_is_3_and_names_them(shop: Server, target_db: Server) -> None:
    mysql(
        shop,
        "CREATE VIEW v AS SELECT SLEEP(1) AS slept",
        "CREATE TRIGGER t BEFORE INSERT ON goods FOR EACH ROW SET NEW.word = SLEEP(1)",
        "CREATE PROCEDURE p() SELECT 1",
        "CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN SLEEP(1)",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1",
        "ALTER TABLE goods ADD twice INT AS (id * 2), ADD FULLTEXT KEY words (word), ADD CHECK (word <> '')",
    )
    command = ["run", "--source", shop.url(), "--target", target_db.url(), "--schema", "other name"]
    refused = cutover(command)
    assert refused.returncode == 2
    assert "5 objects of the source would not arrive as they are. Say allow_losses (--allow-losses," in refused.stderr
    assert "view v: SLEEP()" in refused.stderr
    done = cutover([*command, "--allow-losses"])
    assert done.returncode == 3, done.stdout + done.stderr
    assert arrived(target_db, "other name") == GOODS
    for loss in (
        "view v",
        "trigger t",
        "procedure p",
        "function f",
        "event e",
        "index goods.words: FULLTEXT becomes GIN",
    ):
        assert loss in done.stdout
    assert "check goods." in done.stdout


def test_failed_and_rolled_back_is_1(shop: Server, target_db: Server, tmp_path: Path) -> None:
    mysql(
        shop,
        "CREATE TABLE uses (id INT PRIMARY KEY, good INT, CONSTRAINT uses_good FOREIGN KEY (good) "
        "REFERENCES goods (id))",
        "INSERT INTO uses VALUES (1, 99)",
    )
    file = tmp_path / "report.json"
    arguments = ["run", "--source", shop.url(), "--target", target_db.url(), "--report", str(file)]
    done = cutover([*arguments, "--max-errors", "0"])
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(file.read_text())
    assert (told["status"], told["failed_step"]) == ("failed and rolled back", "finish_schema")
    assert "failed and rolled back" in done.stdout
    assert "more than maxErrors 0" in done.stdout
    assert schemas(target_db) == {"public"}
    assert "Traceback" not in done.stderr


def test_could_not_start_is_2(shop: Server, target_db: Server, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    wrong = replace(shop, password="wrong")
    done = cutover(["run", "--source", wrong.url(), "--target", target_db.url(), "--report", str(file)])
    assert done.returncode == 2
    assert "the server refused the login; check the user and password" in done.stderr
    assert json.loads(file.read_text())["status"] == "failed"
    assert schemas(target_db) == {"public"}


def test_without_verification_and_indexes(shop: Server, target_db: Server) -> None:
    done = cutover(["run", "--source", shop.url(), "--target", target_db.url(), "--no-verify", "--no-indexes"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert arrived(target_db, shop.name) == GOODS
    assert rows(target_db, "SELECT indexname FROM pg_indexes WHERE tablename = 'goods' AND indexname LIKE 'by%'") == []


@pytest.fixture
def secret(shop: Server, target_db: Server) -> Iterator[tuple[Server, Server]]:
    """Both databases under a user whose password has every character that could come out on the way."""
    with (
        account(shop, f"GRANT SELECT, TRIGGER, EVENT, EXECUTE ON {shop.name}.* TO {{account}}@'%'") as reader,
        role(target_db) as writer,
    ):
        mysql(shop, f"ALTER USER {reader}@'%' IDENTIFIED BY '{PASSWORD}'")
        postgres(target_db, f"ALTER ROLE {writer} SUPERUSER PASSWORD '{PASSWORD}'")
        yield (
            replace(shop, user=reader, password=PASSWORD),
            replace(target_db, user=writer, password=PASSWORD),
        )
        postgres(target_db, f"REASSIGN OWNED BY {writer} TO {target_db.user}")


def commands(process: psutil.Process) -> Iterator[str]:
    """The command lines of a process and of all that it started."""
    with suppress(psutil.Error):
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                yield " ".join(each.cmdline())


@pytest.mark.parametrize(
    "given", ["address", *(pytest.param(other, marks=pytest.mark.slow) for other in ("environment", "spec"))]
)
def test_a_password_is_nowhere_to_be_seen(secret: tuple[Server, Server], tmp_path: Path, given: str) -> None:
    source, target = secret
    file = tmp_path / "report.json"
    environment = {}
    if given == "spec":
        environment = access(source, target)
        arguments = ["run", "shop", "--migrations", str(migrations(tmp_path, spec(into=source.name)))]
    else:
        ends = [source.url(), target.url()]
        if given == "environment":
            environment = {"CUTOVER_SOURCE_PASSWORD": PASSWORD, "CUTOVER_TARGET_PASSWORD": PASSWORD}
            ends = [f"{s.scheme}://{s.user}@{s.host}:{s.port}/{s.name}" for s in (source, target)]
        arguments = ["run", "--source", ends[0], "--target", ends[1]]
    forms = (PASSWORD, "pa$%25ss", "pa%24%25ss", "w%3Ard", "w:rd")
    process = started([*arguments, "--report", str(file)], environment)
    try:
        ours, seen = psutil.Process(process.pid), set()
        with held_at_once(target, "goods", "SHARE"):
            wait_for(lambda: waiting(target, "copy"), "a worker loads")
            seen |= set(commands(ours))
            assert len(ours.children(recursive=True)) >= 2
        while process.poll() is None:
            seen |= set(commands(ours))
            time.sleep(0.05)
    finally:
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    assert any("multiprocessing" in command for command in seen)
    written = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(name.endswith("ledger.db") for name in written)
    for form in forms:
        assert not [command for command in seen if form in command]
        assert form not in out + err
        assert not [name for name, body in written.items() if form.encode() in body]


def test_plan_shows_and_changes_nothing(shop: Server, target_db: Server, tmp_path: Path) -> None:
    mysql(shop, "CREATE VIEW v AS SELECT SLEEP(1) AS slept")
    mapping = {"mapping": {"fieldMapping": {"goods": {"word": "label"}}}}
    folder = migrations(tmp_path, spec(data={"transformation": mapping}))
    environment = access(shop, target_db)
    done = cutover(["plan", "shop", "--migrations", str(folder)], environment)
    assert done.returncode == 0, done.stderr
    for words in ("goods", "label", "varchar(20)", "Does not arrive", "view v: SLEEP()"):
        assert words in done.stdout
    made = json.loads(cutover(["plan", "shop", "--migrations", str(folder), "--json"], environment).stdout)
    assert made["tables"][0]["route"]["columns"][1]["target"] == "label"
    assert schemas(target_db) == {"public"}


def test_plan_writes_scripts_that_run(shop: Server, target_db: Server, tmp_path: Path) -> None:
    folder = migrations(tmp_path, spec())
    done = cutover(["plan", "shop", "--migrations", str(folder), "--scripts"], access(shop, target_db))
    assert done.returncode == 0, done.stderr
    paths = [Path(line.removeprefix("wrote ")) for line in done.stdout.splitlines() if line.startswith("wrote ")]
    assert [path.name for path in paths] == ["up.sql", "down.sql"]
    up, down = (path.read_text() for path in paths)
    postgres(target_db, *filter(str.strip, up.split(";\n")))
    assert rows(target_db, "SELECT indexname FROM pg_indexes WHERE tablename = 'goods' ORDER BY 1") == [
        ("by_word",),
        ("goods_pkey",),
    ]
    postgres(target_db, *filter(str.strip, down.split(";\n")))
    assert rows(target_db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_status_report_and_rollback(shop: Server, target_db: Server, tmp_path: Path) -> None:
    folder, environment = migrations(tmp_path, spec()), access(shop, target_db)
    assert cutover(["run", "shop", "--migrations", str(folder)], environment).returncode == 0
    ((run_id, _, _),) = Ledger().runs("shop")
    (line,) = printed("status").splitlines()
    assert line.split("  ")[1:] == ["shop", run_id, "completed", "3 rows"]
    watched = printed("watch", "shop").splitlines()
    assert watched[-1].split()[:2] == ["goods", "3"]
    told = json.loads(printed("report", "shop", "--format", "json"))
    assert (told["run"], told["status"]) == (run_id, "completed")
    text = printed("report", "shop", "--run", run_id, "--format", "markdown")
    assert text.startswith("# shop: completed\n")
    assert "| goods | 3 | 3 | 0 | 0 | 3 | 0 |" in text
    assert "shop: completed" in printed("report", "shop")
    for wrong in (["shop", "--format", "xml"], ["shop", "--run", "none"], ["nobody"]):
        with pytest.raises(PreflightError):
            printed("report", *wrong)

    back = cutover(["rollback", "shop"], environment)
    assert back.returncode == 0, back.stderr
    assert f"shop: run {run_id} is taken back by ddl_rollback, " in back.stdout
    assert schemas(target_db) == {"public", name_for("shop", run_id)}
    assert rows(target_db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    # The report tells the truth of the run: it is no longer complete.
    assert json.loads(printed("report", "shop", "--format", "json"))["status"] != "completed"


def printed(*arguments: str) -> str:
    """What a command prints, in this process; an error is raised."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


@pytest.mark.slow
def test_a_change_to_the_ledger_is_seen(shop: Server, target_db: Server, tmp_path: Path) -> None:
    import sqlite3

    folder = migrations(tmp_path, spec())
    assert cutover(["run", "shop", "--migrations", str(folder)], access(shop, target_db)).returncode == 0
    with sqlite3.connect(tmp_path / "home" / "ledger.db") as database:
        database.execute("UPDATE cutover_events SET detail = replace(detail, '3', '4') WHERE kind = 'loaded'")
    assert "TAMPERED WITH at event" in cutover(["report", "shop"]).stdout


def test_the_json_schema_takes_the_shipped_migration() -> None:
    done = cutover(["json-schema"])
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load((CAMERA / "migration.yaml").read_text()), schema)


def test_help_names_the_commands() -> None:
    done = cutover(["--help"])
    assert done.returncode == 0
    for command in ("plan", "run", "rollback", "status", "report", "json-schema"):
        assert command in done.stdout
