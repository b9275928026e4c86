"""Build runs against the private servers, drive the command line, and look at what is left in the target."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import MySQLdb
import psycopg
import yaml

from cutover.dialects import postgresql_programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import VerificationError
from cutover.ledger import Ledger
from cutover.local.servers import Server
from cutover.spec import MigrationSpec, load_spec
from cutover.steps import check, follow, move, prove, versions, ways
from cutover.steps.context import Params, Run, start

CAMERA = Path(__file__).parents[2] / "include" / "migrations" / "camera_counting"
# For connections that a test gives up in the end: a hang becomes a failure with a name.
PATIENCE = 120.0
# Of every role and account that a test makes.
SECRET = "open-sesame"
# The tables of the fixture ``shop``, and what tells whether its customers are there.
# Small migrations.

SHOP = (
    "CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) NOT NULL, UNIQUE KEY by_name (name))",
    "CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, note TEXT, "
    "KEY orders_note (customer), CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id))",
    "INSERT INTO customers (name) VALUES ('Ana'), ('Björn'), ('桜')",
    "INSERT INTO orders (customer, note) VALUES (1, 'a'), (1, NULL), (3, 'c')",
)
NAMES = "SELECT name FROM customers ORDER BY id"


def endpoint(server: Server, **changes: Any) -> Endpoint:
    """The server as the library takes it."""
    kind = "mysql" if server.scheme.startswith(("mysql", "mariadb")) else "postgresql"
    made = Endpoint(kind, server.host, server.port, server.name, server.user, server.password)
    return replace(made, **changes)


def spec(name: str = "shop", into: str = "public", **parts: Any) -> MigrationSpec:
    """A small migration into a target schema, without a window; ``parts`` are the spec's five."""
    strategy = {"planning": {"scheduling": {"enabled": False}}} | parts.pop("strategy", {})
    given = {"name": name, "source": {"env": "SOURCE_DB"}, "target": {"env": "TARGET_DB", "schema": into}}
    return MigrationSpec.model_validate(given | {"strategy": strategy} | parts)


def camera_spec(**safe: Any) -> MigrationSpec:
    """The migration that is shipped, without its window; ``safe`` changes strategy.execution.modes.safe."""
    raw = load_spec(CAMERA / "migration.yaml").model_dump(mode="json", by_alias=True, exclude_unset=True)
    raw["strategy"]["planning"]["scheduling"] = {"enabled": False}
    raw["strategy"]["execution"]["modes"]["safe"] |= safe
    return MigrationSpec.model_validate(raw)


def begin(
    source: Server | Endpoint,
    target: Server | Endpoint,
    written: MigrationSpec | None = None,
    home: Path | None = None,
    **params: Any,
) -> Run:
    """Begin a run whose ledger is in CUTOVER_HOME; two workers, losses allowed, where nothing else is said."""
    ends = [end if isinstance(end, Endpoint) else endpoint(end) for end in (source, target)]
    given = Params.from_mapping({"workers": 2, "allow_losses": True} | params)
    return start(f"test__{uuid4().hex[:8]}", written or spec(), given, Ledger(), ends[0], ends[1], home)


def loaded(run: Run) -> Run:
    """Take a run, step by step and in this process, as far as every row is in the shadow schema."""
    check.preflight(run)
    check.make_plan(run)
    ways.backup(run)
    move.create_schema(run)
    for chunk in run.plan.chunks:
        move.stream_chunk(run, chunk)
    return run


def finished(run: Run) -> Run:
    """Take a run as far as its shadow schema is whole, ready to be validated."""
    loaded(run)
    if run.plan.follows:
        follow.catch_up(run)
    move.finish_schema(run)
    return run


def ready(run: Run) -> Run:
    """Take a run as far as its shadow schema is ready to be exchanged with the live one, unproved."""
    versions.upgrade_schema(finished(run))
    return run


def differences(run: Run) -> list[str]:
    """What the verifier finds in all, in the order of tables."""
    found: list[str] = []
    for number in range(len(run.plan.batches)):
        try:
            prove.validate_rows(run, number)
        except VerificationError as error:
            found += error.differences
    return sorted(found)


def named(name: str) -> str:
    """The identifier as MySQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def quoted(name: str) -> str:
    """The identifier as PostgreSQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def mysql(server: Server, *statements: str, charset: str = "utf8mb4") -> None:
    """Run statements in the source; zero dates and orphans are let in."""
    with closing(_mysql(server, charset)) as connection:
        cursor = connection.cursor()
        for statement in ("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'", "SET foreign_key_checks = 0", *statements):
            cursor.execute(statement)


def mysql_rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    """Return what a query finds in the source."""
    with closing(_mysql(server)) as connection:
        cursor = connection.cursor()
        cursor.execute(query)
        return list(cursor.fetchall())


def _mysql(server: Server, charset: str = "utf8mb4") -> Any:
    login = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    return MySQLdb.connect(**login, db=server.name, charset=charset, autocommit=True)


def postgres(server: Server, *statements: str) -> None:
    """Run statements in the target, each in its own transaction."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(server: Server, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return what a query finds in the target, seen in UTC."""
    with psycopg.connect(server.url(), options="-c timezone=UTC") as connection:
        return connection.execute(query.encode(), values or None).fetchall()


def one(server: Server, query: str, *values: Any) -> Any:
    """Return the one value that a query finds in the target."""
    ((value,),) = rows(server, query, *values)
    return value


def schemas(server: Server) -> set[str]:
    """Every schema of the target that a user made."""
    query = "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
    return {name for (name,) in rows(server, query)}


def dump(server: Server) -> str:
    """The whole target database, schema and data, as pg_dump writes it."""
    command = [postgresql_programs.program("pg_dump"), "--dbname", server.url()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # pg_dump's guard against psql injection is a new random word each time.
    lines = (line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
    return "\n".join(lines)


@contextmanager
def source_database(server: Server) -> Iterator[Server]:
    """A source database that several tests read."""
    made = replace(server, name=f"t_{uuid4().hex[:12]}")
    mysql(replace(made, name=""), f"CREATE DATABASE {made.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    yield made
    mysql(replace(made, name=""), f"DROP DATABASE {made.name}")


@contextmanager
def target_database(server: Server) -> Iterator[Server]:
    """A target database that several tests look at."""
    made = replace(server, name=f"t_{uuid4().hex[:12]}")
    postgres(replace(made, name="postgres"), f"CREATE DATABASE {made.name}")
    yield made
    postgres(replace(made, name="postgres"), f"DROP DATABASE {made.name} WITH (FORCE)")


@contextmanager
def role(server: Server, *grants: str, options: str = "LOGIN") -> Iterator[str]:
    """A role of the target's server with the password SECRET; ``{role}`` in the grants is its name."""
    name = f"r_{uuid4().hex[:12]}"
    postgres(server, f"CREATE ROLE {name} {options} PASSWORD '{SECRET}'", *(g.format(role=name) for g in grants))
    yield name
    postgres(server, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


@contextmanager
def account(server: Server, *grants: str) -> Iterator[str]:
    """An account of the source's server with the password SECRET; ``{account}`` in the grants is its name."""
    name = f"u_{uuid4().hex[:12]}"
    mysql(server, f"CREATE USER {name}@'%' IDENTIFIED BY '{SECRET}'", *(g.format(account=name) for g in grants))
    yield name
    mysql(server, f"DROP USER {name}@'%'")


@contextmanager
def held(server: Server, table: str, mode: str) -> Iterator[None]:
    """Hold a lock on a table of the target from another session."""
    with psycopg.connect(server.url()) as connection:
        connection.execute(f"LOCK TABLE {table} IN {mode} MODE".encode())
        yield


@contextmanager
def held_at_once(server: Server, table: str, mode: str) -> Iterator[None]:
    """Hold a lock on a table of the run's schema from the moment on in which it is there."""
    ours = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cutover\\_%'"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        # Connected before, and asking without rest: the run does not wait for this test.
        deadline = time.monotonic() + PATIENCE
        while (row := connection.execute(ours).fetchone()) is None:
            assert time.monotonic() < deadline, "the run has made no schema"
        with connection.transaction():
            connection.execute(f'LOCK TABLE "{row[0]}".{table} IN {mode} MODE'.encode())
            yield


def waiting(server: Server, fragment: str = "") -> int:
    """How many sessions of the target wait for a lock, with ``fragment`` in their statement."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
        "AND query ILIKE %s"
    )
    return int(one(server, query, f"%{fragment}%"))


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return the condition's first true value; fail by name when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.05)
    return found


def migrations(folder: Path, written: MigrationSpec) -> Path:
    """Write a migration as its user would, and return the folder of migrations."""
    into = folder / "migrations" / written.name
    into.mkdir(parents=True, exist_ok=True)
    raw = written.model_dump(mode="json", by_alias=True, exclude_unset=True)
    (into / "migration.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True))
    return into.parent


def access(source: Server, target: Server) -> dict[str, str]:
    """The environment variables that name both servers, with the passwords."""
    found = {}
    for prefix, server in (("SOURCE_DB", source), ("TARGET_DB", target)):
        for part in ("host", "port", "name", "user", "password"):
            found[f"{prefix}_{part.upper()}"] = str(getattr(server, part))
    return found
