"""Backups: taken in one snapshot, checked, restored, thrown away when they are old.

A backup is a folder that pg_restore reads (pg_dump's directory format), with a manifest that says whose it is, what was
in the database, and what its files must be. The manifest holds no rows; with a key every other file is sealed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import psycopg
from psycopg import sql
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from cutover.dialects import pools, postgresql
from cutover.dialects import postgresql_programs as programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError, TerminalError, TransientError
from cutover.rollback import sealing

MANIFEST = "manifest.json"
SEALED = ".sealed"
_PART = ".part"
_CHUNK = 1 << 20
# A value's text is the same in every session, and a dump of hours ends no transaction that waits for it.
_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "lc_monetary": "C",
    "row_security": "off",
    "search_path": "",
    "transaction_timeout": "0",
}
_SET = """
    SELECT set_config(s.name, given.value, false)
    FROM pg_settings s JOIN unnest(%s::text[], %s::text[]) given (name, value) USING (name)"""
# The catalogue is read in the snapshot, but pg_relation_filenode() tells where the rows are now.
_RELATIONS = """
    SELECT n.nspname, c.relname, c.oid::bigint, c.relkind = 'S',
      c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid),
      ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))
    AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY n.nspname, c.relname"""
# A column is named with its table's alias, for the table may have a column of the alias's name.
_MEASURE = "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text FROM ONLY {} cutover_t"
# What pg_dump prints and what says nothing about the schema.
_NOISE = re.compile(rb"--|\s*$|SET |SELECT pg_catalog\.set_config\(|\\(?:un)?restrict ")
# PostgreSQL prints IN ('a', 'b') of a varchar as the cast of an array; read again, that becomes an array of casts:
# a database that was restored says the same in other words.
_MEMBER = rb"E?'(?:[^']|'')*'::[a-z ]+"
_CAST_ARRAY = re.compile(rb"\(ARRAY\[(%b(?:, %b)*)\]\)::([a-z ]+)\[\]" % (_MEMBER, _MEMBER))
_SETVAL = re.compile(r"^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$", re.MULTILINE)
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
_ENCODING = re.compile(rb"SET client_encoding = '(\w+)';")


@dataclass(frozen=True)
class Backup:
    """A backup as the ledger notes it.

    Attributes:
        path: its folder.
        bytes: of its files, without the manifest.
        digest: SHA-256 of the manifest, which holds those of all files.
        tables: how many it has that have rows of their own: a partitioned table's partitions, not the table.
        sealed: whether it takes a key to read it.
        taken: when its snapshot was, in UTC (ISO 8601).
    """

    path: Path
    bytes: int
    digest: str
    tables: int
    sealed: bool
    taken: str


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str
    oid: int
    rows: int
    content: str


@dataclass(frozen=True)
class _Position:
    """Where a sequence stands."""

    schema: str
    name: str
    last_value: int
    is_called: bool


@dataclass(frozen=True)
class _File:
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class _Manifest:
    format: Literal[1]
    owner: dict[str, str]
    server: str
    database: str
    schemas: tuple[str, ...]
    taken: AwareDatetime
    xmin: int
    sealed: bool
    definitions: str
    tables: tuple[_Table, ...]
    sequences: tuple[_Position, ...]
    files: tuple[_File, ...]


_ADAPTER = TypeAdapter(_Manifest)


def take(
    target: Endpoint,
    into: Path,
    *,
    owner: Mapping[str, str],
    schemas: Sequence[str] = (),
    jobs: int = 2,
    key: str | None = None,
) -> Backup:
    """Back a database up, or only some of its schemas; where the owner has a whole backup already, return that one.

    It is made beside ``into`` and renamed at the end. Rows and their numbers are of one snapshot; sequences, which no
    snapshot holds still, stand where the dump saw them.

    Args:
        target: the database.
        into: the backup's folder, which is made; nobody but its owner may look into it.
        owner: the migration and the run that it is for, by what names it.
        schemas: the schemas; the whole database where empty.
        jobs: how many tables are dumped at once.
        key: the passphrase to seal the files with; they stay plain without one.

    Raises:
        PreflightError: pg_dump failed, the key is empty, or ``into`` holds what is no whole backup of the owner's.
        TransientError: the server was lost or full, or a table was altered or emptied (TRUNCATE) meanwhile.
    """
    if key is not None:
        sealing.require(key)
    if into.exists():
        problems = check(into, None, owner)
        if problems:
            raise PreflightError([*problems, f"{into} is in a new backup's way; move it elsewhere, or remove it"])
        return _described(into)
    part = into.with_name(into.name + _PART)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    try:
        with _snapshot(target) as connection:
            name, xmin, taken = _begun(connection)
            # One connection holds the snapshot, and pg_dump has one that does not dump. No lock is held while pg_dump
            # waits for its own: one who waited between the two would stop both for good.
            programs.dump(target, part, schemas=schemas, jobs=max(1, target.at_most(jobs + 2) - 2), snapshot=name)
            tables, sequences = _measured(connection, schemas)
        entries = [line for line in programs.contents(part) if not _is(line, "MATERIALIZED VIEW DATA")]
        with _printed(part, entries, "--schema-only") as printed:
            definitions = _definitions(printed.lines)
        seen = _dumped_positions(part)
        manifest = _Manifest(
            format=1,
            owner=dict(owner),
            server=target.identity,
            database=target.database,
            schemas=tuple(schemas),
            taken=taken.astimezone(UTC),
            xmin=xmin,
            sealed=key is not None,
            definitions=definitions,
            tables=tables,
            sequences=tuple(seen[position.schema, position.name] for position in sequences),
            files=_closed(part, key),
        )
        _write(part / MANIFEST, _ADAPTER.dump_json(manifest, indent=1))
        part.rename(into)
        _settle(into.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return _described(into)


def check(path: Path, digest: str | None, owner: Mapping[str, str]) -> list[str]:
    """Say what is wrong with a backup; nothing is where the list is empty.

    Args:
        path: the backup's folder.
        digest: the manifest's SHA-256 that was noted, if one was.
        owner: the migration and the run that it must be of.
    """
    if not path.is_dir():
        return [f"backup {path} is missing"]
    try:
        manifest = _read(path)
    except PreflightError as error:
        return list(error.findings)
    problems = []
    if digest is not None and _sha256(path / MANIFEST) != digest:
        problems.append(f"{path / MANIFEST} was changed after the backup was taken")
    if manifest.owner != dict(owner):
        problems.append(f"backup {path} is of {_named(manifest.owner)}, not of {_named(owner)}")
    damaged = [problem for file in manifest.files for problem in _damage(path / file.name, file)]
    if not damaged and not manifest.sealed:
        try:
            programs.contents(path)
        except PreflightError as error:
            damaged += error.findings
    return problems + damaged


def restore(path: Path, into: Endpoint, *, jobs: int, key: str | None, timeout: float) -> None:
    """Restore a backup into a database that holds nothing but the schemas every new one has.

    A sealed one is opened into a folder beside it that only its owner may look into, and that goes afterwards.

    Args:
        path: the backup's folder.
        into: the database.
        jobs: how many tables at once.
        key: the passphrase that the backup was sealed with, if it was.
        timeout: seconds that pg_restore may take.

    Raises:
        PreflightError: the key is missing or wrong, the backup cannot be read, or pg_restore failed.
        TerminalError: pg_restore took longer than ``timeout``.
        TransientError: the server was lost or full.
    """
    manifest = _read(path)
    with _plain(path, manifest, key) as archive:
        if manifest.schemas:
            _restore_schemas(archive, into, manifest.schemas, jobs, timeout)
        else:
            programs.restore(into, archive, jobs=jobs, timeout=timeout)


def compare(path: Path, database: Endpoint) -> list[str]:
    """Say in what a database differs from what was backed up; in nothing where the list is empty.

    Args:
        path: the backup's folder; no key is needed.
        database: where it was restored; nobody else writes to it.

    Raises:
        PreflightError: the manifest cannot be read, or the server or pg_dump refused something.
        TransientError: the server was lost or full.
    """
    manifest = _read(path)
    with _snapshot(database) as connection:
        tables, sequences = _measured(connection, manifest.schemas)
    found = _row_differences(manifest.tables, tables) + _position_differences(manifest.sequences, sequences)
    command = [programs.program("pg_dump"), "--schema-only", *_login(database)]
    command += [f"--schema={postgresql.quoted(schema)}" for schema in manifest.schemas]
    if _definitions(io.BytesIO(_ran(database, command))) != manifest.definitions:
        found.append(
            "the schema differs: pg_dump --schema-only prints other definitions than of what was backed up "
            "(columns, indexes, constraints, views, routines, comments, owners or grants)"
        )
    return found


def table_rows(path: Path, key: str | None, oids: Collection[int]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield single tables' rows as pg_restore prints them, for COPY; what is not read of a table is passed over.

    Args:
        path: the backup's folder.
        key: the passphrase that it was sealed with, if it was.
        oids: the tables' numbers in the catalogue of the database that was backed up; the manifest has them.

    Yields:
        (the COPY statement, its data in chunks of about 1 MiB without the line that ends them).

    Raises:
        PreflightError: the key is missing or wrong, or pg_restore failed or ended within a table.
    """
    with _plain(path, _read(path), key) as archive:
        entries = [line for line in programs.contents(archive) if _is(line, "TABLE DATA") and _oid(line) in oids]
        with _printed(archive, entries) as printed:
            statement, options = b"", b""
            for line in printed.lines:
                encoding = _ENCODING.match(line)
                if encoding and not statement:
                    # Whoever copies speaks UTF-8; the dump has the database's own encoding.
                    options = b"" if encoding[1] == b"UTF8" else b" WITH (ENCODING '%b')" % encoding[1]
                elif statement or line.startswith(b"COPY "):
                    # A name may hold the end of a line.
                    statement += line
                    if statement.endswith(b" FROM stdin;\n"):
                        rows = printed.rows()
                        yield (statement.removesuffix(b";\n") + options + b";").decode(), rows
                        for _ in rows:
                            pass
                        statement = b""


def expire(folder: Path, keep: int, spare: Collection[Path]) -> list[Path]:
    """Remove the oldest backups below a folder and return which.

    Args:
        folder: where backups are, at any depth.
        keep: how many of the youngest stay.
        spare: those that stay however old they are; they count among the youngest like any other.
    """
    found = []
    for file in folder.rglob(MANIFEST):
        # A .part is one that is being made, or that a killed attempt left.
        if not file.parent.name.endswith(_PART):
            try:
                found.append((_read(file.parent).taken, file.parent))
            except PreflightError:
                continue  # Another program's, or one that only a person should judge.
    kept = {path.resolve() for path in spare}
    gone = [path for _, path in sorted(found, reverse=True)[keep:] if path.resolve() not in kept]
    for path in gone:
        shutil.rmtree(path)
    return gone


@contextmanager
def _snapshot(database: Endpoint) -> Iterator[psycopg.Connection]:
    """Open a transaction that sees one moment, changes nothing, and writes every value out whole."""
    # A connection of its own: what is set here is no pool's.
    with postgresql.session(database.keeping_none()) as connection:
        connection.execute(_SET, (list(_SETTINGS), list(_SETTINGS.values())))
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def _begun(connection: psycopg.Connection) -> tuple[str, int, datetime]:
    """Return the snapshot's name for other sessions, its xmin, and when it was taken."""
    query = "SELECT pg_export_snapshot(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, now()"
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _measured(
    connection: psycopg.Connection, schemas: Sequence[str]
) -> tuple[tuple[_Table, ...], tuple[_Position, ...]]:
    """Return what the rows of each table come to, whatever their order, and where each sequence stands.

    Columns are taken in their names' order: a table that inherits may get its own in another one when it is restored.
    """
    tables, sequences = [], []
    given = {"schemas": list(schemas)}
    for schema, name, oid, is_sequence, _, columns in connection.execute(_RELATIONS, given).fetchall():
        relation = sql.Identifier(schema, name)
        if is_sequence:
            position = connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(relation)).fetchone()
            assert position is not None
            sequences.append(_Position(schema, name, *position))
        else:
            row = sql.SQL(", ").join(sql.Identifier("cutover_t", column) for column in columns)
            try:
                measured = connection.execute(sql.SQL(_MEASURE).format(row, relation)).fetchone()
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
                raise _altered(schema, name) from None
            assert measured is not None
            tables.append(_Table(schema, name, oid, *measured))
    for schema, name, _, _, rewritten, _ in connection.execute(_RELATIONS, given).fetchall():
        if rewritten:
            # The rows that the snapshot saw went with the old file (PostgreSQL manual, 13.6 Caveats).
            raise _altered(schema, name)
    return tuple(tables), tuple(sequences)


def _altered(schema: str, name: str) -> TransientError:
    return TransientError(
        f"table {schema}.{name} was altered, emptied or moved while it was read "
        "(ALTER TABLE, DROP TABLE, TRUNCATE or VACUUM FULL); try again when nobody does that"
    )


def _definitions(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 of a schema as pg_dump and pg_restore print it, in the words it has after a restore."""
    digest = hashlib.sha256()
    for line in lines:
        if not _NOISE.match(line):
            digest.update(_CAST_ARRAY.sub(_cast_members, line))
    return digest.hexdigest()


def _cast_members(found: re.Match[bytes]) -> bytes:
    members = re.findall(_MEMBER, found[1])
    return b"ARRAY[" + b", ".join(b"(%b)::%b" % (member, found[2]) for member in members) + b"]"


def _dumped_positions(archive: Path) -> dict[tuple[str, str], _Position]:
    """Return where each sequence stood when pg_dump saw it, by schema and name."""
    entries = [line for line in programs.contents(archive) if _is(line, "SEQUENCE SET")]
    with _printed(archive, entries) as printed:
        text = b"".join(printed.lines).decode()
    positions = {}
    for name, last_value, is_called in _SETVAL.findall(text):
        # A literal within which are identifiers.
        parts = [quoted.replace('""', '"') or bare for quoted, bare in _NAME.findall(name.replace("''", "'"))]
        positions[parts[0], parts[1]] = _Position(parts[0], parts[1], int(last_value), is_called == "true")
    return positions


def _closed(folder: Path, key: str | None) -> tuple[_File, ...]:
    """Leave the files of a dump to their owner alone, sealed where there is a key; return what they are."""
    salt = sealing.new_salt()
    files = []
    for file in sorted(folder.iterdir()):
        if key is not None:
            sealed = file.with_name(file.name + SEALED)
            sealing.seal(file, sealed, key, salt)
            file.unlink()
            file = sealed
        file.chmod(0o600)
        files.append(_File(file.name, file.stat().st_size, _sha256(file)))
    return tuple(files)


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Have the disk know the names in a folder (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> _Manifest:
    file = path / MANIFEST
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except OSError as error:
        raise PreflightError([f"backup {path} has no manifest that can be read: {error.strerror}"]) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PreflightError([f"{file} is damaged, or no backup's manifest: {where} {first['msg']}"]) from None


def _described(path: Path) -> Backup:
    manifest = _read(path)
    total = sum(file.bytes for file in manifest.files)
    return Backup(
        path, total, _sha256(path / MANIFEST), len(manifest.tables), manifest.sealed, manifest.taken.isoformat()
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(owner: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {name}" for what, name in owner.items())


def _damage(path: Path, file: _File) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is missing"
    elif path.stat().st_size != file.bytes:
        yield f"{path} has {path.stat().st_size} bytes, {file.bytes} were written"
    elif _sha256(path) != file.sha256:
        yield f"{path} was changed after the backup was taken"


@contextmanager
def _plain(path: Path, manifest: _Manifest, key: str | None) -> Iterator[Path]:
    """Give a folder that pg_restore reads: the backup's own, or one with its files opened, which goes afterwards."""
    if not manifest.sealed:
        yield path
        return
    if key is None:
        raise PreflightError([f"backup {path} is sealed; give the key that it was sealed with"])
    with tempfile.TemporaryDirectory(prefix=f"{path.name}.", suffix=_PART, dir=path.parent) as name:
        for sealed in path.glob(f"*{SEALED}"):
            sealing.open_sealed(sealed, Path(name, sealed.name.removesuffix(SEALED)), key)
        yield Path(name)


def _restore_schemas(archive: Path, into: Endpoint, schemas: Sequence[str], jobs: int, timeout: float) -> None:
    """Restore a dump of some schemas, which makes each of them, where ``public`` is there from the beginning."""
    query = "SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)"
    with postgresql.session(into) as connection:
        there = [name for (name,) in connection.execute(query, (list(schemas),)).fetchall()]
        making = re.compile(rf"\d+; 2615 \d+ SCHEMA - (?:{'|'.join(map(re.escape, there))}) ") if there else None
        entries = programs.contents(archive)
        made = [line for line in entries if making is not None and making.match(line)]
        with _printed(archive, made) as printed:
            for line in printed.lines:
                if line.startswith(b"ALTER SCHEMA "):
                    connection.execute(line)
    jobs = max(1, into.at_most(jobs + 1) - 1)
    command = [programs.program("pg_restore"), f"--jobs={jobs}", "--exit-on-error", *_login(into)]
    pools.close()
    with _listed([line for line in entries if line not in made]) as listing:
        _ran(into, [*command, f"--use-list={listing}", str(archive)], timeout)


@dataclass(frozen=True)
class _Printed:
    """What pg_restore prints of an archive, while it does."""

    archive: Path
    process: subprocess.Popen[bytes]
    complaints: IO[bytes]
    lines: IO[bytes]

    def rows(self) -> Iterator[bytes]:
        """Yield the rows that follow a COPY statement, many at a time."""
        chunk = bytearray()
        for line in self.lines:
            if line == b"\\.\n":
                if chunk:
                    yield bytes(chunk)
                return
            chunk += line
            if len(chunk) >= _CHUNK:
                yield bytes(chunk)
                chunk.clear()
        raise self.failure()

    def failure(self) -> PreflightError:
        """Return the error that tells in pg_restore's own words why it ended."""
        self.process.wait()
        self.complaints.seek(0)
        words = self.complaints.read().decode(errors="replace").strip()
        return PreflightError([f"pg_restore cannot read {self.archive}: {words or 'it ended within a table'}"])


@contextmanager
def _printed(archive: Path, entries: Sequence[str], *options: str) -> Iterator[_Printed]:
    """Have pg_restore print some of an archive's entries as SQL; how it ended is looked at when the block ends well."""
    command = [programs.program("pg_restore"), "--file=-", *options]
    with _listed(entries) as listing, tempfile.TemporaryFile() as complaints:
        command += [f"--use-list={listing}", str(archive)]
        # It ends by itself when nobody reads any longer.
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout is not None
            printed = _Printed(archive, process, complaints, process.stdout)
            yield printed
            if process.wait():
                raise printed.failure()


@contextmanager
def _listed(entries: Sequence[str]) -> Iterator[str]:
    """Write entries where pg_restore reads which of an archive are wanted."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as listing:
        listing.writelines(f"{line}\n" for line in entries)
        listing.flush()
        yield listing.name


def _is(entry: str, kind: str) -> bool:
    return re.match(rf"\d+; \d+ \d+ {kind} ", entry) is not None


def _oid(entry: str) -> int:
    """Return an entry's number in the catalogue, as in ``3350; 0 16396 TABLE DATA public customers owner``."""
    return int(entry.split(" ", 3)[2])


def _login(endpoint: Endpoint) -> list[str]:
    where = ["--host", endpoint.host, "--port", str(endpoint.port), "--username", endpoint.user]
    return [*where, "--no-password", "--dbname", endpoint.database]


def _ran(endpoint: Endpoint, command: Sequence[str], timeout: float | None = None) -> bytes:
    """Return what a program prints; a server that is full is asked again."""
    name = Path(command[0]).name

    def attempt() -> bytes:
        try:
            done = subprocess.run(
                command, env=programs.login(endpoint), capture_output=True, check=False, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise TerminalError(f"{name} of {endpoint} was ended: it took longer than {timeout:.0f} s") from None
        if done.returncode:
            raise PreflightError([f"{name} of {endpoint} failed: {done.stderr.decode(errors='replace').strip()}"])
        return done.stdout

    return pools.patient(endpoint, attempt, postgresql.full)


def _row_differences(backed_up: Sequence[_Table], there: Sequence[_Table]) -> list[str]:
    found = []
    now = {(table.schema, table.name): table for table in there}
    for table in backed_up:
        name, other = f"{table.schema}.{table.name}", now.pop((table.schema, table.name), None)
        if other is None:
            found.append(f"table {name} is missing")
        elif other.rows != table.rows:
            found.append(f"table {name}: {other.rows} rows, {table.rows} were backed up")
        elif other.content != table.content:
            found.append(f"table {name}: rows differ")
    return found + [f"table {schema}.{name} was not backed up" for schema, name in now]


def _position_differences(backed_up: Sequence[_Position], there: Sequence[_Position]) -> list[str]:
    found = []
    now = {(position.schema, position.name): position for position in there}
    for position in backed_up:
        name, other = f"{position.schema}.{position.name}", now.pop((position.schema, position.name), None)
        if other is None:
            found.append(f"sequence {name} is missing")
        elif other != position:
            found.append(f"sequence {name} stands at {_place(other)}, {_place(position)} was backed up")
    return found + [f"sequence {schema}.{name} was not backed up" for schema, name in now]


def _place(position: _Position) -> str:
    return f"{position.last_value}{'' if position.is_called else ' (not used yet)'}"
