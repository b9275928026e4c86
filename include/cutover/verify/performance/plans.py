"""What two servers' plans of one query say of the tables that they read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

# How MySQL reads a table by an index that finds rows (manual, EXPLAIN Join Types); ALL and index read all of it.
_FINDS = frozenset(
    {"const", "eq_ref", "ref", "ref_or_null", "range", "index_merge", "unique_subquery", "index_subquery", "fulltext"}
)
_SCAN = "Seq Scan"
_NAME = re.compile(r'"([^"]+)"|\b([a-z_][a-z0-9_$]*)\b')


@dataclass(frozen=True)
class Found:
    """A table that the source reads by an index; ``index`` is its name there, PRIMARY for the key."""

    table: str
    index: str


@dataclass(frozen=True)
class Scan:
    """A table that the target reads from one end to the other.

    Attributes:
        table: its name.
        condition: what every row is asked, as the server writes it; "" where nothing is.
        rows: how many the server expects to stay.
    """

    table: str
    condition: str
    rows: int

    def columns(self, known: frozenset[str]) -> list[str]:
        """Return those of ``known`` that the condition names."""
        named = (quoted or plain for quoted, plain in _NAME.findall(self.condition))
        return [name for name in dict.fromkeys(named) if name in known]


def of_source(plan: Any, tree: exp.Expr) -> list[Found]:
    """Return the tables that MySQL or MariaDB finds rows of by an index.

    Args:
        plan: EXPLAIN FORMAT=JSON.
        tree: the query, which says what table each alias stands for.
    """
    called = {table.alias_or_name.lower(): table.name for table in tree.find_all(exp.Table)}
    found = []
    for node in _nodes(plan):
        alias, access, key = node.get("table_name"), node.get("access_type"), node.get("key")
        if isinstance(alias, str) and access in _FINDS and isinstance(key, str):
            table = called.get(alias.lower())
            found += [Found(table, key)] if table is not None else []
    return list(dict.fromkeys(found))


def of_target(plan: Any, parents: Mapping[str, str]) -> list[Scan]:
    """Return the tables that PostgreSQL reads whole.

    Args:
        plan: EXPLAIN (FORMAT JSON).
        parents: the table of each partition.
    """
    return [
        Scan(
            parents.get(node["Relation Name"], node["Relation Name"]),
            str(node.get("Filter", "")),
            int(node.get("Plan Rows", 0)),
        )
        for node in _nodes(plan)
        if node.get("Node Type") == _SCAN and "Relation Name" in node
    ]


def indexes_of(plan: Any) -> set[str]:
    """Return the names of the indexes that PostgreSQL's plan reads."""
    return {node["Index Name"] for node in _nodes(plan) if isinstance(node.get("Index Name"), str)}


def shape(plan: Any) -> str:
    """Return PostgreSQL's plan in a few words: what it does, from the top, with the tables and indexes."""
    words = []
    for node in _nodes(plan):
        if "Node Type" in node:
            on = node.get("Index Name") or node.get("Relation Name")
            words.append(f"{node['Node Type']}{f' on {on}' if on else ''}")
    return " > ".join(words)


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for inner in plan:
            yield from _nodes(inner)
