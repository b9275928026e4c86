"""What turns one PostgreSQL schema into another, as Alembic operations; both ways, since any two can be compared.

Tables and columns become Alembic's own operations. Everything else is made from the server's own words
(``pg_get_indexdef`` and its kin), which leave nothing out: an index's operator classes, a key's NOT VALID.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from alembic.operations import ops

from cutover.dialects.postgresql import quoted
from cutover.errors import PreflightError
from cutover.schema.definitions import Definition, Definitions
from cutover.schema.written import Written, escaped, verbatim

_CONSTRAINTS = ("primary key", "constraint", "check", "foreign key")
_ROUTINES = ("function", "procedure")


def operations(before: Definitions, after: Definitions) -> list[ops.MigrateOperation]:
    """Return the operations that make ``after`` of ``before``, in an order that the server takes.

    Raises:
        PreflightError: a table's partitioning differs; no operation changes that.
    """
    return list(_Change(before, after).steps())


def _named(definition: Definition) -> str:
    return quoted(definition.table or definition.name)


@dataclass(frozen=True)
class _Change:
    before: Definitions
    after: Definitions

    def steps(self) -> Iterator[ops.MigrateOperation]:
        remade = self._remade()
        gone = [d for key, d in self.before.items() if key not in self.after or key in remade]
        new = [d for key, d in self.after.items() if key not in self.before or key in remade]
        new_tables = {d.table for d in new if d.kind == "table"}
        lost_tables = {d.table for d in gone if d.kind == "table"}
        yield from self._taken_away([d for d in gone if d.kind in ("view", "trigger") or d.table not in lost_tables])
        yield from self._types_made(new)
        yield from (self._table(d) for d in self._tables(new))
        # A routine may name a table, and a column's default a routine.
        yield from (_run(d.parts["sql"]) for d in new if d.kind in _ROUTINES)
        yield from self._columns_changed(gone, [d for d in new if d.table not in new_tables])
        yield from self._added(new)
        yield from (_drop("TABLE", d) for d in gone if d.kind == "table" and d.parts["of"] not in lost_tables)
        for kind in ("sequence", "function", "procedure", "type", "collation"):
            yield from (_drop(kind.upper(), d) for d in gone if d.kind == kind and d.key not in self.after)
        yield from self._comments()

    def _changed(self) -> set[tuple[str, str, str]]:
        both = self.before.keys() & self.after.keys()
        return {key for key in both if self.before[key].text != self.after[key].text}

    def _remade(self) -> set[tuple[str, str, str]]:
        """What is dropped and made anew: what changed and cannot be altered, and whatever stands on it."""
        changed = self._changed()
        remade = {key for key in changed if key[0] not in ("table", "column", "type", "sequence", *_ROUTINES)}
        remade |= {
            key
            for key in changed
            if key[0] in _ROUTINES and self.before[key].parts["result"] != self.after[key].parts["result"]
        }
        remade |= {key for key in changed if key[0] == "column" and self._anew(key)}
        altered = {key[1] for key in changed if key[0] == "column"}
        altered |= {
            d.table for key, d in self.before.items() if d.kind in ("table", "column") and key not in self.after
        }
        altered |= {d.table for d in self.before.values() if d.kind == "column" and self._enum_changed(d)}
        rekeyed = {
            key[1]
            for key in self.before
            if key[0] in ("primary key", "constraint") and (key in remade or key not in self.after)
        }
        both = self.before.keys() & self.after.keys()
        # A key cannot go while another refers to it.
        remade |= {key for key in both if key[0] == "foreign key" and self.before[key].parts["refers"] in rekeyed}
        while True:
            # A view stands in the way of every change to what it reads.
            names = altered | {key[1] for key in remade if key[0] == "view"}
            more = {key for key in both - remade if key[0] == "view" and names & {*self.before[key].parts["reads"]}}
            if not more:
                return remade
            remade |= more

    def _anew(self, key: tuple[str, str, str]) -> bool:
        """Whether a column changes in what ALTER COLUMN cannot change: how its values are generated."""
        return bool(self.before[key].parts["generated"] != self.after[key].parts["generated"])

    def _enum_changed(self, column: Definition) -> bool:
        """Whether a column has an enumerated type whose labels change."""
        return any(
            key in self.after and d.text != self.after[key].text and column.parts["type"] == d.parts["as"]
            for key, d in self.before.items()
            if d.kind == "type"
        )

    def _taken_away(self, gone: list[Definition]) -> Iterator[ops.MigrateOperation]:
        """Drop what stands on tables, the last first."""
        yield from (
            _run(f"DROP TRIGGER {quoted(d.name)} ON {quoted(d.table)}")
            for d in gone
            if d.kind == "trigger" and ("table", d.table, "") in self.before
        )
        yield from (_drop("VIEW", d) for d in reversed(_by_reading([d for d in gone if d.kind == "view"])))
        for kind in reversed(_CONSTRAINTS):
            for d in gone:
                if d.kind == kind:
                    yield _run(f"ALTER TABLE {quoted(d.table)} DROP CONSTRAINT {quoted(d.name)}")
        yield from (_run(f"DROP INDEX {quoted(d.name)}") for d in gone if d.kind == "index")
        yield from (
            _run(f"DROP {d.kind.upper()} {d.parts['identity']}")
            for d in gone
            if d.kind in _ROUTINES and d.key in self.after
        )

    def _types_made(self, new: list[Definition]) -> Iterator[ops.MigrateOperation]:
        for d in new:
            if d.kind == "collation":
                locale = d.parts["locale"].replace("'", "''")
                deterministic = str(d.parts["deterministic"]).lower()
                settings = f"provider = icu, locale = '{locale}', deterministic = {deterministic}"
                yield _run(f"CREATE COLLATION {quoted(d.name)} ({settings})")
            elif d.kind == "sequence":
                yield _run(f"CREATE SEQUENCE {quoted(d.name)} AS {d.text}")
            elif d.kind == "type":
                yield _run(f"CREATE TYPE {quoted(d.name)} AS ENUM ({d.text})")
        for key in sorted(self._changed()):
            if key[0] == "type":
                yield from self._labels_changed(self.before[key], self.after[key])
            elif key[0] == "sequence":
                cycles = "" if self.after[key].text.endswith("CYCLE") else " NO CYCLE"
                yield _run(f"ALTER SEQUENCE {quoted(key[2])} AS {self.after[key].text}{cycles}")

    def _labels_changed(self, old: Definition, new: Definition) -> Iterator[ops.MigrateOperation]:
        """Exchange an enumerated type: labels can be added to one, but not taken away or moved."""
        name, aside = quoted(old.name), quoted(f"{old.name[:58]}_old")
        yield _run(f"ALTER TYPE {name} RENAME TO {aside}")
        yield _run(f"CREATE TYPE {name} AS ENUM ({new.text})")
        for column in self.before.values():
            if column.kind != "column" or column.parts["type"] != old.parts["as"] or column.key not in self.after:
                continue
            alter = f"ALTER TABLE {quoted(column.table)} ALTER COLUMN {quoted(column.name)}"
            if column.parts["default"] is not None:
                yield _run(f"{alter} DROP DEFAULT")
            yield _run(f"{alter} TYPE {name} USING {quoted(column.name)}::text::{name}")
            if column.parts["default"] is not None:
                yield _run(f"{alter} SET DEFAULT {column.parts['default']}")
        yield _run(f"DROP TYPE {aside}")

    @staticmethod
    def _tables(new: list[Definition]) -> list[Definition]:
        """The tables to make, each partition after what it is a part of."""
        return sorted((d for d in new if d.kind == "table"), key=lambda d: (d.parts["of"] is not None, d.table))

    def _table(self, table: Definition) -> ops.MigrateOperation:
        if table.parts["of"] is not None:
            return _run(f"CREATE TABLE {_named(table)} PARTITION OF {quoted(table.parts['of'])} {table.parts['bound']}")
        columns = [d for d in self.after.values() if d.kind == "column" and d.table == table.table]
        made = [_column(d) for d in sorted(columns, key=lambda d: d.parts["position"])]
        extra = {"postgresql_partition_by": table.parts["by"]} if table.parts["by"] else {}
        return ops.CreateTableOp(table.table, made, comment=table.parts["comment"], **extra)

    def _columns_changed(self, gone: list[Definition], new: list[Definition]) -> Iterator[ops.MigrateOperation]:
        lost = {d.table for d in gone if d.kind == "table"}
        for d in gone:
            if d.kind == "column" and d.table not in lost:
                yield ops.DropColumnOp(d.table, d.name)
        for d in sorted(new, key=lambda d: d.parts.get("position", 0)):
            if d.kind == "column":
                yield ops.AddColumnOp(d.table, _column(d))
        for key in sorted(self._changed()):
            if key[0] == "column" and not self._anew(key):
                yield from _altered(self.before[key], self.after[key])

    def _added(self, new: list[Definition]) -> Iterator[ops.MigrateOperation]:
        """Make what stands on tables, the first first; routines that stay are replaced before."""
        for key in sorted(self._changed()):
            if key[0] in _ROUTINES and key not in {d.key for d in new}:
                yield _run(self.after[key].parts["sql"])
        yield from (_constraint(d) for d in new if d.kind in ("primary key", "constraint"))
        yield from (_run(d.parts["sql"]) for d in new if d.kind == "index")
        yield from (_constraint(d) for d in new if d.kind == "check")
        yield from (_constraint(d) for d in new if d.kind == "foreign key")
        yield from (_run(_view(d)) for d in _by_reading([d for d in new if d.kind == "view"]))
        yield from (_run(d.text) for d in new if d.kind == "trigger")

    def _comments(self) -> Iterator[ops.MigrateOperation]:
        for key in sorted(self._changed()):
            if key[0] != "table":
                continue
            old, new = self.before[key].parts, self.after[key].parts
            if any(old[part] != new[part] for part in ("by", "of", "bound")):
                raise PreflightError([f"table {key[1]}: how it is partitioned differs, and no operation changes that"])
            yield ops.CreateTableCommentOp(key[1], new["comment"], existing_comment=old["comment"])


def _run(sql: str) -> ops.ExecuteSQLOp:
    return ops.ExecuteSQLOp(escaped(sql.rstrip().rstrip(";")))


def _drop(what: str, definition: Definition) -> ops.MigrateOperation:
    if what == "TABLE":
        return ops.DropTableOp(definition.table)
    return _run(f"DROP {what} {definition.parts.get('identity') or _named(definition)}")


def _constraint(d: Definition) -> ops.MigrateOperation:
    return _run(f"ALTER TABLE {quoted(d.table)} ADD CONSTRAINT {quoted(d.name)} {d.text}")


def _view(d: Definition) -> str:
    columns = ", ".join(quoted(name) for name in d.parts["columns"])
    options = f" WITH ({', '.join(d.parts['options'])})" if d.parts["options"] else ""
    return f"CREATE VIEW {quoted(d.table)} ({columns}){options} AS{d.parts['select']}"


def _by_reading(views: Iterable[Definition]) -> list[Definition]:
    """Put each view after those it reads."""
    waiting = {d.table: d for d in views}
    ordered: list[Definition] = []
    while waiting:
        ready = [d for d in waiting.values() if not waiting.keys() & {*d.parts["reads"]}]
        ordered += ready
        for d in ready:
            del waiting[d.table]
    return ordered


def _column(d: Definition) -> sa.Column[object]:
    parts = d.parts
    extra: list[sa.schema.SchemaItem] = []
    if parts["identity"]:
        extra.append(sa.Identity(always=parts["identity"] == "a"))
    if parts["generated"] is not None:
        extra.append(sa.Computed(verbatim(parts["generated"]), persisted=True))
    default = None if parts["default"] is None else verbatim(parts["default"])
    return sa.Column(
        d.name,
        Written(parts["type"]),
        *extra,
        nullable=parts["nullable"],
        server_default=default,
        comment=parts["comment"],
    )


def _altered(old: Definition, new: Definition) -> Iterator[ops.MigrateOperation]:
    before, after = old.parts, new.parts
    alter = f"ALTER TABLE {quoted(new.table)} ALTER COLUMN {quoted(new.name)}"
    if before["identity"] and before["identity"] != after["identity"]:
        yield _run(f"{alter} DROP IDENTITY")
    retyped = before["type"] != after["type"]
    if retyped and before["default"] is not None:
        # A default of the old type may stand in the new one's way.
        yield _run(f"{alter} DROP DEFAULT")
    given: dict[str, object] = {}
    if retyped:
        given["modify_type"] = Written(after["type"])
        # USING takes the type's name alone.
        bare = after["type"].split(" COLLATE ")[0]
        given["postgresql_using"] = f"{quoted(new.name)}::{bare}"
    if before["nullable"] != after["nullable"]:
        given["modify_nullable"] = after["nullable"]
    if before["default"] != after["default"] or (retyped and after["default"] is not None):
        given["modify_server_default"] = None if after["default"] is None else verbatim(after["default"])
    if before["comment"] != after["comment"]:
        given |= {"modify_comment": after["comment"], "existing_comment": before["comment"]}
    if given:
        yield ops.AlterColumnOp(new.table, new.name, **given)  # type: ignore[arg-type]
    if after["identity"] and before["identity"] != after["identity"]:
        kind = "ALWAYS" if after["identity"] == "a" else "BY DEFAULT"
        yield _run(f"{alter} ADD GENERATED {kind} AS IDENTITY")
