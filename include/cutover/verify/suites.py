"""Read the expectation suites that users write beside their migration.

A file ``NAME.yaml`` or ``NAME.json`` reads::

    table: users
    expectations:
      - type: expect_column_values_to_not_be_null
        kwargs: {column: email}
        severity: warning

with Great Expectations' own types and arguments. A query may name the tables of the run without a
schema, and this one as ``{batch}``; it is one SELECT.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import sqlglot
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cutover.errors import SpecError
from cutover.schema.target import TargetTable

COUNT = "cutover_rows"
_QUERY = "unexpected_rows_expectation"
_ROWS_SHOWN = 20
_KEYS = frozenset({"type", "kwargs", "severity", "description", "notes"})
_ONE_COLUMN = ("column", "column_A", "column_B")


@dataclass(frozen=True)
class OwnExpectation:
    """One expectation of the user's, as written; the file is where it stands."""

    file: Path
    table: str
    type: str
    kwargs: Mapping[str, Any]
    severity: str = "critical"
    description: str | None = None
    notes: str | None = None

    @property
    def is_query(self) -> bool:
        """Whether it is a query of the user's that must return no row."""
        return self.type == _QUERY

    @property
    def column(self) -> str | None:
        """The columns it is about, if it names any."""
        names = [self.kwargs[name] for name in _ONE_COLUMN if name in self.kwargs]
        names += self.kwargs.get("column_list", [])
        return ", ".join(map(str, names)) or None

    def built(self, meta: Mapping[str, Any] | None = None, as_written: bool = False) -> Any:
        """Return Great Expectations' object; raises whatever it raises when something is wrong."""
        library()
        from great_expectations.expectations.expectation_configuration import (
            ExpectationConfiguration as Configuration,
        )

        kwargs = dict(self.kwargs)
        if self.is_query and not as_written:
            # If it finds millions of rows they would all come here: the server counts, we look at a few.
            query = str(kwargs["unexpected_rows_query"]).rstrip("; \t\r\n\v\f")
            counted = f"SELECT count(*) OVER () AS {COUNT}, found.* FROM (\n{query}\n) AS found"  # noqa: S608
            kwargs["unexpected_rows_query"] = f"{counted} LIMIT {_ROWS_SHOWN}"
        written: dict[str, Any] = {
            "description": self.description,
            "notes": self.notes,
            "severity": self.severity,
        }
        return Configuration(self.type, kwargs, dict(meta or {}), **written).to_domain_obj()


def library() -> Any:
    """Import Great Expectations, which takes seconds; first it is told not to report home."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    # It logs hundreds of lines about its own workings for a handful of expectations.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    return great_expectations


def read(folder: Path, tables: tuple[TargetTable, ...], others: Collection[str] = ()) -> list[OwnExpectation]:
    """Read every suite of a folder.

    Args:
        folder: holds the suites.
        tables: the tables of the run.
        others: tables of the migration that this run leaves out; their suites are left out too.

    Raises:
        SpecError: with every problem found, each with its file.
    """
    found: list[OwnExpectation] = []
    problems: list[str] = []
    for file in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".yaml", ".yml")):
        try:
            found += _suite(file, {table.name: table for table in tables}, others)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found


def _suite(file: Path, tables: Mapping[str, TargetTable], others: Collection[str]) -> list[OwnExpectation]:
    suite = _parsed(file)
    if not isinstance(suite, Mapping) or set(suite) != {"table", "expectations"}:
        raise SpecError([f"{file}: a suite has the keys table and expectations, and no other"])
    table, given = suite["table"], suite["expectations"]
    if table not in tables and table in others:
        return []
    if table not in tables:
        raise SpecError([f"{file}: this migration has no table {table!r}{_near(str(table), tables)}"])
    if not isinstance(given, list):
        raise SpecError([f"{file}: expectations should be a list"])
    found, problems = [], []
    for number, each in enumerate(given, 1):
        where = f"{file}: expectation {number}"
        if not isinstance(each, Mapping) or not {"type"} <= set(each) <= _KEYS:
            others = ", ".join(sorted(_KEYS - {"type"}))
            problems.append(f"{where} has a type, and may have {others}, but no other key")
            continue
        kwargs = each.get("kwargs", {})
        if not isinstance(kwargs, Mapping):
            problems.append(f"{where}: kwargs should be a mapping")
            continue
        own = OwnExpectation(file, str(table), **{**each, "type": str(each["type"]), "kwargs": kwargs})
        wrong = [f"{where} ({own.type}): {problem}" for problem in _problems(own, tables[own.table])]
        problems += wrong
        found += [] if wrong else [own]
    if problems:
        raise SpecError(problems)
    return found


def _parsed(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        return json.loads(text) if file.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SpecError([f"{file}:{line}: not YAML: {error.problem or error.context}"]) from None
    except json.JSONDecodeError as error:
        raise SpecError([f"{file}:{error.lineno}: not JSON: {error.msg}"]) from None
    except (YAMLError, ValueError, OSError) as error:
        raise SpecError([f"{file}: cannot be read: {type(error).__name__}"]) from None


def _problems(own: OwnExpectation, table: TargetTable) -> Iterator[str]:
    library()
    from great_expectations.compatibility.pydantic import ValidationError
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError, GreatExpectationsError
    from great_expectations.expectations.registry import list_registered_expectation_implementations

    try:
        own.built(as_written=True)
        if own.is_query:
            yield from _query_problems(str(own.kwargs["unexpected_rows_query"]))
    except ExpectationNotFoundError:
        yield f"no such type{_near(own.type, list_registered_expectation_implementations())}"
    except ValidationError as error:
        for each in error.errors():
            name = ".".join(str(part) for part in each["loc"] if part != "__root__")
            yield f"{name}: {each['msg']}" if name else str(each["msg"])
    except (GreatExpectationsError, TypeError, ValueError) as error:
        yield str(error).strip()
    columns = [c.target for c in table.route.columns]
    listed = own.kwargs.get("column_list")
    named = [own.kwargs[name] for name in _ONE_COLUMN if name in own.kwargs]
    for name in [*named, *(listed if isinstance(listed, list) else [])]:
        if name not in columns:
            yield f"table {table.name} has no column {name!r}{_near(str(name), columns)}"


def _query_problems(query: str) -> Iterator[str]:
    # It is put between brackets as text: what closes them would be run as a statement of its own, and might write.
    try:
        trees = [tree for tree in sqlglot.parse(query.replace("{batch}", "batch"), read="postgres") if tree is not None]
    except SqlglotError as error:
        reason = str(error).splitlines()[0].split(". Line")[0]
        yield f"unexpected_rows_query: is no SELECT that the parser knows ({reason})"
        return
    writes = any(tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge) is not None for tree in trees)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query) or writes:
        yield "unexpected_rows_query: should be one SELECT that changes nothing"


def _near(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
