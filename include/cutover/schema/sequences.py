"""Sequences in PostgreSQL's words, and what they go on with.

Nothing is carried of a sequence's cache. The source's is the whole server's, PostgreSQL's is each session's:
with one, sessions would give numbers out of order and leave gaps that the source does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cutover.dialects import postgresql
from cutover.schema.choose import table_name
from cutover.schema.ddl import Statement
from cutover.schema.model import Schema, Sequence
from cutover.schema.target import Findings, TargetSequence
from cutover.spec import MigrationSpec

_LEAST, _MOST = -(2**63), 2**63 - 1


def translate_sequences(source: Schema, spec: MigrationSpec, findings: Findings) -> Iterator[TargetSequence]:
    """Yield the sequences that can be carried; the others are losses with their reason."""
    for sequence in source.sequences:
        where = f"sequence {sequence.name}"
        made = _translated(sequence, table_name(sequence.name, spec))
        if sequence.increment == 0:
            findings.lose(where, "it counts by the server's auto_increment_increment, which PostgreSQL has no word for")
        elif not _LEAST <= min(made.start, made.next) <= max(made.start, made.next) <= _MOST + 1:
            findings.lose(where, "it counts beyond bigint, where PostgreSQL's sequences end")
        else:
            if made.name != sequence.name:
                findings.note(where, f"is called {made.name}")
            if (made.minimum, made.maximum) != (sequence.minimum, sequence.maximum):
                findings.note(where, "ends with bigint, as PostgreSQL's do")
            if made.ended and not made.cycles:
                findings.note(where, "every value that was left is in the source's cache: here there is none to give")
            yield made


def _translated(sequence: Sequence, name: str) -> TargetSequence:
    return TargetSequence(
        name,
        sequence.name,
        sequence.start,
        max(sequence.minimum, _LEAST),
        min(sequence.maximum, _MOST),
        sequence.increment,
        sequence.cycles,
        sequence.start if sequence.next is None else sequence.next,
    )


def create(wanted: Iterable[TargetSequence]) -> Iterator[Statement]:
    """Yield what makes the sequences, which columns of the tables may count with."""
    for sequence in wanted:
        sql = (
            f"CREATE SEQUENCE {postgresql.quoted(sequence.name)} INCREMENT BY {sequence.increment} "
            f"MINVALUE {sequence.minimum} MAXVALUE {sequence.maximum} START WITH {sequence.start} CACHE 1"
        )
        yield Statement("", f"sequence {sequence.name}", sql + (" CYCLE" if sequence.cycles else ""))


def restart(wanted: Iterable[TargetSequence]) -> Iterator[Statement]:
    """Yield what lets the sequences go on with their next values; one that has ended stays at its end."""
    for sequence in wanted:
        name = postgresql.quoted(sequence.name).replace("'", "''")
        last = sequence.maximum if sequence.increment > 0 else sequence.minimum
        value, used = (last, "true") if sequence.ended else (sequence.next, "false")
        yield Statement("", f"next value of sequence {sequence.name}", f"SELECT setval('{name}', {value}, {used})")


def drop(wanted: Iterable[TargetSequence]) -> Iterator[Statement]:
    """Yield the way back of :func:`create`, once the tables are gone."""
    for sequence in wanted:
        sql = f"DROP SEQUENCE IF EXISTS {postgresql.quoted(sequence.name)}"
        yield Statement("", f"drop sequence {sequence.name}", sql)


def going_on(planned: Iterable[TargetSequence], now: Iterable[Sequence]) -> list[TargetSequence]:
    """Return the planned sequences with the next values that the source's have ``now``."""
    following = {sequence.name: sequence.next for sequence in now}
    made = []
    for wanted in planned:
        latest = following.get(wanted.source)
        made.append(wanted if latest is None else replace(wanted, next=latest))
    return made
