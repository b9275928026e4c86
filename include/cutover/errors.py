"""The errors Cutover raises.

::

    CutoverError
    ├── TerminalError            retrying cannot help
    │   ├── SpecError            the migration's YAML is wrong: file, line, key, cure
    │   ├── PreflightError       a server, grant, disk or schema is not fit for the run
    │   ├── WindowClosedError    outside the maintenance window, or past the longest duration
    │   ├── DriftError           a schema changed after the plan was made
    │   ├── UnsupportedTypeError a column's type has no translation
    │   ├── DataError            rows were refused beyond the allowed number
    │   │   └── RefusedRowsError the target itself refuses rows
    │   ├── VerificationError    source and target differ
    │   └── RollbackError        the way back itself failed
    └── TransientError           a connection, lock or server failed; the same call may succeed later

Each carries its data as attributes; its message names the object and the cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CutoverError(Exception):
    """Base of every error this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error with data of its own cross from a worker process to its parent."""
        return (_rebuilt, (type(self), self.args, self.__dict__))


def _rebuilt(kind: type[CutoverError], args: tuple[Any, ...], state: dict[str, Any]) -> CutoverError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class TerminalError(CutoverError):
    """Retrying the same call cannot succeed."""


class TransientError(CutoverError):
    """The same call may succeed later: a connection, a lock or a server failed."""


class SpecError(TerminalError):
    """A migration's YAML is wrong; carries every problem found, each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PreflightError(TerminalError):
    """The servers or schemas are not fit for the run; carries every finding."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(self.findings))


class WindowClosedError(TerminalError):
    """The maintenance window is closed, or the run has reached its longest duration."""


class DriftError(TerminalError):
    """A schema is no longer what the plan was made from."""

    def __init__(self, side: str, changes: Sequence[str]) -> None:
        self.side = side
        self.changes = tuple(changes)
        super().__init__(
            f"the {side} schema changed after the plan was made: {'; '.join(changes)}. "
            "Nothing further was done; start a new run to plan again."
        )


class UnsupportedTypeError(TerminalError):
    """A column's type has no translation."""

    def __init__(self, table: str, column: str, type_: str) -> None:
        self.table, self.column, self.type = table, column, type_
        super().__init__(
            f"{table}.{column} has type {type_}, which has no PostgreSQL translation yet; "
            f"name one under schema.settings.tables.columns.typeMapping or exclude the column"
        )


class DataError(TerminalError):
    """More rows were refused than the spec allows."""


class RefusedRowsError(DataError):
    """The target refuses rows that were sent to it; which ones is not known yet."""


class VerificationError(TerminalError):
    """Source and target differ; carries the differences found, as text."""

    def __init__(self, message: str, differences: Sequence[str] = ()) -> None:
        self.differences = tuple(differences)
        super().__init__("\n".join([message, *self.differences]))


class RollbackError(TerminalError):
    """The way back failed; the message says what is left and how to finish by hand."""
