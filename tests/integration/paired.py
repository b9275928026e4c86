"""A source and a target with the same tables, between which stored programs are carried and called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import MySQLdb
import psycopg
from helpers import mysql, mysql_rows, postgres, rows

from cutover.dialects import mysql_types
from cutover.local.servers import Server
from cutover.schema.model import Parameter, Routine, Trigger
from cutover.schema.programs import Program, translate_routine, translate_trigger
from cutover.schema.rewrite.scope import Attribute, Family, Relation, Scope

# The same tables in both.
SOURCE = (
    "CREATE TABLE item (id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_bin, price DECIMAL(8,2), stock INT)",
    "CREATE TABLE log (n INT, what VARCHAR(60) COLLATE utf8mb4_bin)",
)
TARGET = (
    "CREATE TABLE item (id integer PRIMARY KEY, name varchar(20), price numeric(8,2), stock integer)",
    "CREATE TABLE log (n integer, what varchar(60))",
)
ITEMS = "INSERT INTO item VALUES (1, 'ant', 1.25, 3), (2, 'bee', 10, 0), (3, 'cat', 99.99, 7)"
FAMILIES: dict[str, Family] = {"int": "integer", "decimal": "decimal", "string": "text", "date32": "date"}


def type_of(type_: str) -> Attribute:
    """What the product makes of a type, in short."""
    travel = mysql_types.travel(type_)
    if travel is None:
        raise KeyError(type_)
    family = next((f for arrow, f in FAMILIES.items() if travel.arrow.startswith(arrow)), "other")
    return Attribute("", travel.target_type, family, ignores_case=False)


def attributes(**types: str) -> Mapping[str, Attribute]:
    made = {name: type_of(type_) for name, type_ in types.items()}
    return {name: Attribute(name, made.type, made.family) for name, made in made.items()}


RELATIONS = {
    "item": Relation("item", attributes(id="int", name="varchar(20)", price="decimal(8,2)", stock="int")),
    "log": Relation("log", attributes(n="int", what="varchar(60)")),
}


@dataclass(frozen=True)
class Pair:
    """A source and a target with the same tables, and what was translated from one to the other."""

    source: Server
    target: Server

    def carry(self, *programs: str) -> dict[str, Program]:
        """Make programs in the source and their translations in the target; every probe is prepared there."""
        # A program keeps the mode that it was made in.
        mysql(self.source, "SET sql_mode = 'STRICT_ALL_TABLES'", *programs)
        made = self.translated()
        for program in made.values():
            postgres(self.target, *program.statements)
        for program in made.values():
            for probe in program.probes:
                postgres(self.target, f"PREPARE probe AS {probe}")
        return made

    def translated(self) -> dict[str, Program]:
        routines = self.routines()
        functions = {r.name.lower(): self._returned(r.name, r.returns) for r in routines if r.returns}
        scope = Scope(self.source.name, RELATIONS, functions=functions)
        procedures = {routine.name.lower(): routine for routine in routines if routine.returns is None}
        made = {routine.name: translate_routine(routine, scope, type_of, procedures) for routine in routines}
        triggers = self.triggers()
        return made | {t.name: translate_trigger(t, scope, type_of, siblings=triggers) for t in triggers}

    def _returned(self, name: str, type_: str) -> Attribute:
        made = type_of(type_)
        return Attribute(name, made.type, made.family)

    def routines(self) -> list[Routine]:
        parameters: dict[str, list[Parameter]] = {}
        query = (
            "SELECT specific_name, parameter_name, dtd_identifier, parameter_mode FROM information_schema.parameters "
            "WHERE specific_schema = DATABASE() AND parameter_name IS NOT NULL ORDER BY ordinal_position"
        )
        for routine, *parameter in mysql_rows(self.source, query):
            parameters.setdefault(routine, []).append(Parameter(*parameter))
        query = (
            "SELECT routine_name, routine_definition, dtd_identifier, is_deterministic "
            "FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY routine_name"
        )
        return [
            Routine(name, tuple(parameters.get(name, ())), body, returns, deterministic == "YES")
            for name, body, returns, deterministic in mysql_rows(self.source, query)
        ]

    def triggers(self) -> list[Trigger]:
        query = (
            "SELECT trigger_name, event_object_table, action_timing, event_manipulation, action_statement, "
            "action_order FROM information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY trigger_name"
        )
        return [Trigger(*row) for row in mysql_rows(self.source, query)]

    def both(self, statement: str) -> None:
        """Run the same statement in both."""
        mysql(self.source, statement)
        postgres(self.target, statement)

    def same(self, *queries: str) -> list[Any]:
        """Return what a query finds, which must be the same in both."""
        found: list[Any] = []
        for query in (*queries, "SELECT * FROM item ORDER BY id", "SELECT * FROM log ORDER BY n, what"):
            theirs = mysql_rows(self.source, query)
            assert rows(self.target, query) == theirs
            found.append(theirs)
        return found[0] if queries else []

    def call(self, name: str, *arguments: Any, out: int = 0) -> tuple[Any, ...]:
        """Return what a procedure's last ``out`` parameters become, the same in both."""
        theirs = self._source_call(name, arguments, out)
        given = ", ".join(["%s"] * len(arguments) + ["NULL"] * out)
        with psycopg.connect(self.target.url(), autocommit=True) as connection:
            cursor = connection.execute(f"CALL {name}({given})".encode(), arguments)
            ours = cursor.fetchone() if out else ()
        assert ours == theirs
        self.same()
        return theirs

    def _source_call(self, name: str, arguments: Sequence[Any], out: int) -> tuple[Any, ...]:
        places = [f"@o{number}" for number in range(out)]
        given = ", ".join(["%s"] * len(arguments) + places)
        login = {"host": self.source.host, "port": self.source.port, "user": self.source.user}
        with closing(
            MySQLdb.connect(**login, password=self.source.password, db=self.source.name, autocommit=True)
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(f"CALL {name}({given})", arguments)
            if not out:
                return ()
            cursor.execute(f"SELECT {', '.join(places)}")
            return tuple(cursor.fetchone())
