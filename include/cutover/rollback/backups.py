"""Backups: taken in one snapshot, checked, restored, thrown away when they are old.

A backup is a folder that pg_restore reads (pg_dump's directory format), with a manifest that says whose it is, what was
in the database, and what its files must be. The manifest holds no rows; with a key every other file is sealed.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from cutover.dialects import postgresql
from cutover.dialects import postgresql_programs as programs
from cutover.dialects.endpoint import Endpoint
from cutover.errors import PreflightError
from cutover.rollback import archives, measured, sealing
from cutover.rollback.base import beside
from cutover.rollback.manifest import MANIFEST, File, Manifest, encoded, read, sha256

SEALED = ".sealed"
_PART = ".part"
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
        with measured.snapshot(target) as connection:
            name, xmin, taken = _begun(connection)
            # One connection holds the snapshot, and pg_dump has one that does not dump. No lock is held while pg_dump
            # waits for its own: one who waited between the two would stop both for good.
            programs.dump(target, part, schemas=schemas, jobs=max(1, target.at_most(jobs + 2) - 2), snapshot=name)
            tables, sequences = measured.measured(connection, schemas)
        entries = [line for line in programs.contents(part) if not archives.holds(line, "MATERIALIZED VIEW DATA")]
        with archives.printed(part, entries, "--schema-only") as printed:
            definitions = measured.definitions(printed.lines)
        seen = archives.positions(part)
        manifest = Manifest(
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
        _write(part / MANIFEST, encoded(manifest))
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
        manifest = read(path)
    except PreflightError as error:
        return list(error.findings)
    problems = []
    if digest is not None and sha256(path / MANIFEST) != digest:
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
    manifest = read(path)
    with _plain(path, manifest, key) as archive:
        if manifest.schemas:
            archives.restore_schemas(archive, into, manifest.schemas, jobs, timeout)
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
    manifest = read(path)
    with measured.snapshot(database) as connection:
        tables, sequences = measured.measured(connection, manifest.schemas)
    found = measured.row_differences(manifest.tables, tables) + measured.position_differences(
        manifest.sequences, sequences
    )
    command = [programs.program("pg_dump"), "--schema-only", *programs.where(database)]
    command += [f"--schema={postgresql.quoted(schema)}" for schema in manifest.schemas]
    if measured.definitions(io.BytesIO(programs.ran(database, command))) != manifest.definitions:
        found.append(
            "the schema differs: pg_dump --schema-only prints other definitions than of what was backed up "
            "(columns, indexes, constraints, views, routines, comments, owners or grants)"
        )
    return found


def changed(path: Path, connection: psycopg.Connection, oids: Collection[int]) -> dict[int, str]:
    """Say which of single tables differ from what was backed up, and in what, as a transaction that is open sees them.

    Args:
        path: the backup's folder; no key is needed.
        connection: the database that was backed up.
        oids: the tables' numbers in the catalogue; one that was not backed up is passed over.

    Raises:
        PreflightError: the manifest cannot be read.
    """
    found = {}
    # How values are written is the session's own again afterwards.
    with connection.transaction(force_rollback=True):
        measured.write_whole(connection)
        for table in read(path).tables:
            if table.oid in oids:
                for difference in measured.row_differences([table], [measured.again(connection, table)]):
                    found[table.oid] = difference
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
    with _plain(path, read(path), key) as archive:
        entries = [
            line
            for line in programs.contents(archive)
            if archives.holds(line, "TABLE DATA") and archives.oid(line) in oids
        ]
        with archives.printed(archive, entries) as printed:
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
                found.append((read(file.parent).taken, file.parent))
            except PreflightError:
                continue  # Another program's, or one that only a person should judge.
    kept = {path.resolve() for path in spare}
    gone = [path for _, path in sorted(found, reverse=True)[keep:] if path.resolve() not in kept]
    for path in gone:
        shutil.rmtree(path)
    return gone


def _begun(connection: psycopg.Connection) -> tuple[str, int, datetime]:
    """Return the snapshot's name for other sessions, its xmin, and when it was taken."""
    query = "SELECT pg_export_snapshot(), pg_snapshot_xmin(pg_current_snapshot())::text::bigint, now()"
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _closed(folder: Path, key: str | None) -> tuple[File, ...]:
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
        files.append(File(file.name, file.stat().st_size, sha256(file)))
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


def _described(path: Path) -> Backup:
    manifest = read(path)
    total = sum(file.bytes for file in manifest.files)
    return Backup(
        path, total, sha256(path / MANIFEST), len(manifest.tables), manifest.sealed, manifest.taken.isoformat()
    )


def _named(owner: Mapping[str, str]) -> str:
    return ", ".join(f"{what} {name}" for what, name in owner.items())


def _damage(path: Path, file: File) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is missing"
    elif path.stat().st_size != file.bytes:
        yield f"{path} has {path.stat().st_size} bytes, {file.bytes} were written"
    elif sha256(path) != file.sha256:
        yield f"{path} was changed after the backup was taken"


@contextmanager
def _plain(path: Path, manifest: Manifest, key: str | None) -> Iterator[Path]:
    """Give a folder that pg_restore reads: the backup's own, or one with its files opened, which goes afterwards."""
    if not manifest.sealed:
        yield path
        return
    if key is None:
        raise PreflightError([f"backup {path} is sealed; give the key that it was sealed with"])
    with beside(path) as folder:
        for sealed in path.glob(f"*{SEALED}"):
            sealing.open_sealed(sealed, folder / sealed.name.removesuffix(SEALED), key)
        yield folder
