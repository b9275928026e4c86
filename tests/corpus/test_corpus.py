"""Real databases arrive whole, and what does not arrive is named: by the word of a checker that knows no product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from helpers import mysql, mysql_rows, target_database
from program import cutover

from checker import Address, Finding, check
from checker.feed import feed
from checker.losses import unexplained, untrue
from cutover.local.servers import Server

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(900)]

UNSET = "CORPUS_DIR is not set: it names a folder that holds a folder of SQL files for each database"
CALLS = {
    "get_customer_balance": [f"get_customer_balance({n}, '2005-08-01 00:00:00')" for n in (1, 2, 300, 599)],
    "inventory_in_stock": [f"inventory_in_stock({n})" for n in (1, 6, 9, 10, 4581)],
    "inventory_held_by_customer": [f"inventory_held_by_customer({n})" for n in (1, 6, 9, 10, 4581)],
}
FILM = "INSERT INTO film (film_id, title, description, language_id) VALUES (5000, 'A NEW ONE', 'It is new', 1)"
# What fires the triggers of films; they keep film_text.
CHANGES = {
    "ins_film": (FILM,),
    "upd_film": (FILM, "UPDATE film SET title = 'ANOTHER' WHERE film_id = 5000"),
    "del_film": (FILM, "DELETE FROM film WHERE film_id IN (14, 5000)"),
}
# A film that other rows refer to cannot be deleted; of this one there is no copy in any store.
ALONE = ("DELETE FROM film_actor WHERE film_id = 14", "DELETE FROM film_category WHERE film_id = 14")
TEXTS = "SELECT film_id, title, description FROM film_text WHERE film_id IN (14, 1000, 5000) ORDER BY film_id"


@dataclass(frozen=True)
class Moved:
    """A database that the command line has moved, with its report's words."""

    source: Server
    target: Server
    losses: list[str]
    differences: list[str]

    @cached_property
    def findings(self) -> list[Finding]:
        return check(address(self.source), self.target.url(), self.source.name)

    def carried(self, kind: str, name: str) -> bool:
        """Whether the report counts an object among what has arrived."""
        return not any(loss.startswith(f"{kind} {name}: ") for loss in self.losses)


def address(server: Server) -> Address:
    return Address(host=server.host, port=server.port, user=server.user, password=server.password, database=server.name)


@pytest.fixture(scope="module")
def moved(
    folder: Path | None, mysql_server: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Moved]:
    if folder is None:
        pytest.fail(UNSET, pytrace=False)
    # The files name their own database, so it bears the folder's name.
    source = replace(mysql_server, name=folder.name)
    mysql(replace(source, name=""), f"CREATE DATABASE {source.name}")
    feed(address(source), sorted(folder.glob("*.sql")), force=True)
    with target_database(pg_server) as target:
        yield move(source, target, tmp_path_factory.mktemp(folder.name))
    mysql(replace(source, name=""), f"DROP DATABASE {source.name}")


def move(source: Server, target: Server, home: Path) -> Moved:
    report = home / "report.json"
    ends = ["--source", source.url(), "--target", target.url(), "--report", str(report)]
    done = cutover(["run", "--allow-losses", *ends], {"CUTOVER_HOME": str(home)})
    assert done.returncode in (0, 3), done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert sum(table["rows"] for table in told["tables"]), "the files have brought no row"
    return Moved(source, target, told["losses"], told["differences"])


@pytest.fixture(scope="module")
def sakila(moved: Moved) -> Moved:
    """The database that has programs."""
    return moved


def test_every_finding_is_named_by_a_loss(moved: Moved) -> None:
    assert unexplained(moved.findings, moved.losses) == []


def test_every_loss_is_true(moved: Moved) -> None:
    assert untrue(moved.losses, moved.findings) == []


def test_the_run_itself_sees_no_difference(moved: Moved) -> None:
    assert moved.differences == []


@pytest.mark.parametrize("name", CALLS)
def test_a_function_that_is_carried_answers_as_in_the_source(sakila: Moved, name: str) -> None:
    answers = {call: mysql_rows(sakila.source, f"SELECT {call}") for call in CALLS[name]}
    if sakila.carried("function", name):
        assert {call: in_target(sakila, f"SELECT {call}") for call in answers} == answers
    else:
        with pytest.raises(psycopg.errors.UndefinedFunction):
            in_target(sakila, f"SELECT {CALLS[name][0]}")


@pytest.mark.parametrize("name", CHANGES)
def test_a_trigger_that_is_carried_keeps_the_texts(sakila: Moved, name: str) -> None:
    changes = (*ALONE, *CHANGES[name])
    before, after = in_target(sakila, TEXTS), in_target(sakila, TEXTS, *changes)
    wanted = {
        "ins_film": [*before, (5000, "A NEW ONE", "It is new")],
        "upd_film": [*before, (5000, "ANOTHER", "It is new")],
        "del_film": before[1:],
    }
    assert (after == wanted[name]) is sakila.carried("trigger", name)


def in_target(moved: Moved, query: str, *changes: str) -> list[Any]:
    """What a query finds in the target after changes, which are taken back."""
    with psycopg.connect(moved.target.url(), options=f"-c search_path={moved.source.name}") as connection:
        for change in changes:
            connection.execute(change.encode())
        found = connection.execute(query.encode()).fetchall()
        connection.rollback()
        return found
