"""PostgreSQL statements for translated tables, in the order in which they run.

No statement names a schema: they run with ``search_path`` set, so that the script a DBA reads in
the dry run is the one that runs, wherever it runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import (
    AddConstraint,
    CreateColumn,
    CreateIndex,
    CreateTable,
    DropTable,
    SetColumnComment,
    SetTableComment,
)
from sqlglot import exp

from cutover.route import ColumnRoute
from cutover.schema import collations
from cutover.schema.model import ForeignKey, Index, IndexPart
from cutover.schema.names import fitting
from cutover.schema.programs import Program
from cutover.schema.target import TargetCheck, TargetTable, TargetView
from cutover.schema.written import Written, verbatim

_TOUCH = "cutover_touch_"
# What a period between two columns is, by their Arrow type.
_RANGES = {"date32": "daterange", "timestamp": "tsrange", "timestamptz": "tstzrange"}
# The last value of an identity, by the Arrow type of its column.
_LARGEST = {"int16": 2**15 - 1, "int32": 2**31 - 1, "int64": 2**63 - 1}
_DIALECT: sa.Dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Statement:
    """One statement, what it does in words, and the table it belongs to."""

    table: str
    what: str
    sql: str


def _sql(element: sa.schema.ExecutableDDLElement | CreateColumn) -> str:
    return str(element.compile(dialect=_DIALECT)).strip()


def _built(table: TargetTable, metadata: sa.MetaData) -> sa.Table:
    defaults = dict(table.defaults)
    columns: list[sa.Column[object]] = []
    for route in table.route.columns:
        extra: list[sa.schema.SchemaItem] = []
        if route.target == table.identity:
            extra.append(sa.Identity(always=False))
        if route.computed is not None:
            extra.append(sa.Computed(verbatim(route.computed), persisted=True))
        columns.append(
            sa.Column(
                route.target,
                Written(_type(route)),
                *extra,
                nullable=route.nullable and route.target not in table.route.key,
                server_default=verbatim(defaults[route.target]) if route.target in defaults else None,
            )
        )
    cut = table.partitioning.by if table.partitioning else None
    return sa.Table(table.name, metadata, *columns, postgresql_partition_by=cut)


def _type(route: ColumnRoute) -> str:
    return route.target_type + (
        f" COLLATE {_DIALECT.identifier_preparer.quote(route.collation)}" if route.collation else ""
    )


def create_types(tables: Sequence[TargetTable]) -> Iterator[Statement]:
    """Yield what makes the collations and enumerated types of the tables' columns."""
    for name in collations_of(tables):
        yield Statement("", f"collation {name}", collations.statement(name))
    for table in tables:
        for enum in table.enums:
            labels = ", ".join(exp.Literal.string(label).sql(dialect="postgres") for label in enum.labels)
            yield Statement(table.name, f"type {enum.name}", f"CREATE TYPE {enum.name} AS ENUM ({labels})")


def create_tables(tables: tuple[TargetTable, ...]) -> Iterator[Statement]:
    """Yield CREATE TABLE without keys or indexes: the load is several times faster into bare tables.

    The types of their columns must be there.
    """
    # A counter's sequence takes a name of its own only if the tables' names are taken first.
    for table in sorted(tables, key=lambda table: table.identity is not None):
        yield Statement(table.name, f"create table {table.name}", _sql(CreateTable(_built(table, sa.MetaData()))))
        quote = _DIALECT.identifier_preparer.quote
        for part in table.partitions:
            sql = f"CREATE TABLE {quote(part.name)} PARTITION OF {quote(table.name)} {part.bound}"
            yield Statement(table.name, f"partition {part.name} of {table.name}", sql)


def collations_of(tables: Sequence[TargetTable]) -> list[str]:
    """Return the names of the collations that columns of the tables have."""
    return sorted({c.collation for table in tables for c in table.route.columns if c.collation})


def drop_tables(tables: tuple[TargetTable, ...]) -> Iterator[Statement]:
    """Yield the way back of :func:`create_tables`, children first."""
    for table in reversed(tables):
        yield Statement(
            table.name,
            f"drop table {table.name}",
            _sql(DropTable(_built(table, sa.MetaData()), if_exists=True)),
        )
        if table.touched:
            name = touch_name(table)
            sql = f"DROP FUNCTION IF EXISTS {_DIALECT.identifier_preparer.quote(name)}()"
            yield Statement(table.name, f"drop function {name}", sql)
    for table in tables:
        for enum in table.enums:
            yield Statement(table.name, f"drop type {enum.name}", f"DROP TYPE IF EXISTS {enum.name}")
    for name in collations_of(tables):
        quoted = _DIALECT.identifier_preparer.quote(name)
        yield Statement("", f"drop collation {name}", f"DROP COLLATION IF EXISTS {quoted}")


def indexes(table: TargetTable) -> Iterator[Statement]:
    """Yield the statements of :func:`index_builds`."""
    for _, statement in index_builds(table):
        yield statement


def index_builds(table: TargetTable) -> Iterator[tuple[Index, Statement]]:
    """Yield the indexes of one table with their statements; each stands alone, and all may be built at once.

    The primary key's is among them: adding the key itself would lock the others out while it is built.
    """
    built = _built(table, sa.MetaData())
    wanted = list(table.indexes)
    if _keyed(table) and not table.partitions:
        wanted.insert(0, Index.over(table.key_name, table.route.key, unique=True))
    for index in wanted:
        if index.period is not None:
            yield index, _exclusion(built, index, table)
            continue
        if index.kind == "fulltext":
            made = sa.Index(index.name, _words(built, index), postgresql_using="gin", _table=built)
        elif index.kind == "spatial":
            made = sa.Index(index.name, *(built.c[name] for name in index.columns), postgresql_using="gist")
        else:
            elements = (_element(built, part, table, index.unique) for part in index.parts)
            made = sa.Index(index.name, *elements, unique=index.unique, _table=built)
        kind = "unique index" if index.unique else "index"
        yield index, Statement(table.name, f"{kind} {index.name} on {table.name}", _sql(CreateIndex(made)))


def _exclusion(built: sa.Table, index: Index, table: TargetTable) -> Statement:
    """Say that rows alike in the other columns have no moment in common; a period ends before its end."""
    assert index.period is not None
    quote = _DIALECT.identifier_preparer.quote
    range_ = _RANGES[table.route.column(index.period[0]).arrow]
    others = [replace(part, descending=False) for part in index.parts if part.column not in index.period]
    alike = [f"{_printed(_element(built, part, table, unique=True))} WITH =" for part in others]
    period = f"{range_}({', '.join(map(quote, index.period))}) WITH &&"
    sql = f"ALTER TABLE {quote(table.name)} ADD CONSTRAINT {quote(index.name)} EXCLUDE USING gist "
    return Statement(
        table.name, f"unique periods {index.name} on {table.name}", sql + f"({', '.join([*alike, period])})"
    )


def _printed(element: sa.ColumnElement[object]) -> str:
    printed = str(element.compile(dialect=_DIALECT, compile_kwargs={"include_table": False}))
    return printed if isinstance(element, sa.Column | sa.TextClause) else f"({printed})"


def _element(built: sa.Table, part: IndexPart, table: TargetTable, unique: bool) -> sa.ColumnElement[object]:
    if part.expression is not None:
        expression: sa.ColumnElement[object] = verbatim(f"({part.expression})")  # type: ignore[assignment]
        return sa.desc(expression) if part.descending else expression
    element: sa.ColumnElement[object] = built.c[part.column]
    if part.prefix is not None:
        length: sa.ColumnElement[int] = sa.literal_column(str(part.prefix))
        arrow = table.route.column(part.column).arrow
        # The first bytes, where these are what the source compares.
        element = sa.cast(element, postgresql.BYTEA) if arrow == "geometry" else element
        binary = arrow in ("binary", "geometry")
        element = sa.func.substr(element, sa.literal_column("1"), length) if binary else sa.func.left(element, length)
        if arrow == "citext" and unique:
            # left() gives text, in which case counts.
            element = sa.cast(element, Written(table.route.column(part.column).target_type))
    return element.desc() if part.descending else element


def _words(built: sa.Table, index: Index) -> sa.ColumnElement[object]:
    """What a FULLTEXT index holds: every word as it is written, without a language's stemming."""
    # text(), not literal_column(): SQLAlchemy takes the first column it meets for the index's own.
    words: sa.ColumnElement[str] | None = None
    for name in index.columns:
        one = sa.func.coalesce(built.c[name], sa.text("''"))
        words = one if words is None else words.op("||")(sa.text("' '")).op("||")(one)
    return sa.func.to_tsvector(sa.text("'simple'"), words)


def _keyed(table: TargetTable) -> bool:
    return bool(table.route.key) and table.constrained


def touch_name(table: TargetTable) -> str:
    """Return the name of the trigger, and of its function, that stand for ON UPDATE CURRENT_TIMESTAMP."""
    return fitting(f"{_TOUCH}{table.name}")


def constraints(table: TargetTable, not_null: Sequence[str], not_valid: Collection[str] = ()) -> Statement | None:
    """Return the one statement that adds primary key, NOT NULL and CHECKs, or None where there are none.

    The checks named in ``not_valid`` hold for rows to come, and are not asked of those that are there.

    One ALTER TABLE reads the table once for all of them (PostgreSQL manual, ALTER TABLE, Notes).
    """
    quote = _DIALECT.identifier_preparer.quote
    if not table.constrained:
        return None
    parts = []
    if _keyed(table):
        name = quote(table.key_name)
        # A partitioned table's key cannot take an index over (manual, ALTER TABLE).
        key = f"({', '.join(map(quote, table.route.key))})" if table.partitions else f"USING INDEX {name}"
        parts.append(f"ADD CONSTRAINT {name} PRIMARY KEY {key}")
    parts += [f"ALTER COLUMN {quote(column)} SET NOT NULL" for column in not_null]
    parts += [_add_check(check) + (" NOT VALID" if check.name in not_valid else "") for check in table.checks]
    if not parts:
        return None
    return Statement(table.name, f"constraints of {table.name}", f"ALTER TABLE {quote(table.name)} " + ", ".join(parts))


def check(table: TargetTable, wanted: TargetCheck) -> Statement:
    """Return the statement that adds one CHECK by itself."""
    sql = f"ALTER TABLE {_DIALECT.identifier_preparer.quote(table.name)} {_add_check(wanted)}"
    return Statement(table.name, f"check {wanted.name} of {table.name}", sql)


def _add_check(wanted: TargetCheck) -> str:
    return f"ADD CONSTRAINT {_DIALECT.identifier_preparer.quote(wanted.name)} CHECK ({wanted.sql})"


def touch(table: TargetTable) -> Iterator[Statement]:
    """Yield the function and the trigger that do what ON UPDATE CURRENT_TIMESTAMP does.

    A column takes the time when another column changes and it was not set itself (MySQL manual,
    Automatic Initialization and Updating). ``*<>`` compares any two rows, whatever their types.
    """
    if not table.touched:
        return
    quote, name = _DIALECT.identifier_preparer.quote, touch_name(table)
    lines = [
        f"IF NEW.{quote(c)} IS NOT DISTINCT FROM OLD.{quote(c)} THEN NEW.{quote(c)} := CURRENT_TIMESTAMP; END IF;"
        for c in table.touched
    ]
    body = "BEGIN " + " ".join(lines) + " RETURN NEW; END"
    escaped = body.replace("'", "''")
    function = f"CREATE OR REPLACE FUNCTION {quote(name)}() RETURNS trigger LANGUAGE plpgsql AS '{escaped}'"
    yield Statement(table.name, f"function {name}", function)
    trigger = (
        f"CREATE TRIGGER {quote(name)} BEFORE UPDATE ON {quote(table.name)} FOR EACH ROW "
        f"WHEN ({_changed(table)}) EXECUTE FUNCTION {quote(name)}()"
    )
    yield Statement(table.name, f"trigger {name} on {table.name}", trigger)


def _changed(table: TargetTable) -> str:
    """Say that a row is another: of a generated column a BEFORE trigger knows nothing yet."""
    if not table.computed:
        return "OLD.* *<> NEW.*"
    quote = _DIALECT.identifier_preparer.quote
    # JSON has no equality, and that of PostGIS is not found without its schema.
    casts = {"json": "::text", "geometry": "::bytea"}
    names = [(quote(c.target), casts.get(c.arrow, "")) for c in table.route.loaded.columns]
    return " OR ".join(f"OLD.{name}{cast} IS DISTINCT FROM NEW.{name}{cast}" for name, cast in names)


def comments(table: TargetTable) -> Iterator[Statement]:
    """Yield the comments of one table and its columns."""
    built = _built(table, sa.MetaData())
    if table.comment:
        built.comment = table.comment
        yield Statement(table.name, f"comment on {table.name}", _sql(SetTableComment(built)))
    for column, comment in table.comments:
        built.c[column].comment = comment
        yield Statement(table.name, f"comment on {table.name}.{column}", _sql(SetColumnComment(built.c[column])))


def view(wanted: TargetView) -> Statement:
    """Return the statement that makes a view; what it reads must be there."""
    quote = _DIALECT.identifier_preparer.quote
    columns = ", ".join(quote(name) for name in wanted.columns)
    check = f" WITH {wanted.check_option} CHECK OPTION" if wanted.check_option else ""
    # Since PostgreSQL 15; an older one refuses the view, rather than show it to whom the tables are closed.
    rights = " WITH (security_invoker = true)" if wanted.invoker else ""
    sql = f"CREATE VIEW {quote(wanted.name)} ({columns}){rights} AS {wanted.select}{check}"
    return Statement(wanted.name, f"view {wanted.name}", sql)


def drop_view(wanted: TargetView) -> Statement:
    """Return the way back of :func:`view`."""
    name = _DIALECT.identifier_preparer.quote(wanted.name)
    return Statement(wanted.name, f"drop view {wanted.name}", f"DROP VIEW IF EXISTS {name}")


def program(wanted: Program) -> Iterator[Statement]:
    """Yield the statements that make a routine, or a trigger with its function."""
    for sql in wanted.statements:
        yield Statement(wanted.table or "", f"{wanted.kind} {wanted.name}", sql)


def routine_name(wanted: Program) -> str:
    """Return the name of the routine that a program is, or that its trigger calls."""
    return wanted.signature[1 : wanted.signature.index('"(')].replace('""', '"')


def drop_program(wanted: Program) -> Statement:
    """Return the way back of :func:`program`; a trigger has gone with its table."""
    return Statement(
        wanted.table or "", f"drop {wanted.kind} {wanted.name}", f"DROP ROUTINE IF EXISTS {wanted.signature}"
    )


def foreign_key(table: TargetTable, key: ForeignKey, deferrable: bool, valid: bool) -> Statement:
    """Return the statement that adds one foreign key; where not ``valid``, it holds for rows to come alone."""
    metadata = sa.MetaData()
    built = _built(table, metadata)
    if key.referred_table != table.name:
        sa.Table(key.referred_table, metadata, *(sa.Column(name) for name in key.referred_columns))
    constraint = sa.ForeignKeyConstraint(
        list(key.columns),
        [metadata.tables[key.referred_table].c[name] for name in key.referred_columns],
        name=key.name,
        ondelete=key.on_delete,
        onupdate=key.on_update,
        deferrable=deferrable or None,
        postgresql_not_valid=not valid,
    )
    built.append_constraint(constraint)
    return Statement(table.name, f"foreign key {key.name} of {table.name}", _sql(AddConstraint(constraint)))


def restart_identity(table: TargetTable) -> Statement | None:
    """Return the statement that puts the identity above every id and at least at the source's next value.

    An identity that is at its end stays there: the next insert says so, as it does in the source.
    """
    if table.identity is None:
        return None
    prepare = _DIALECT.identifier_preparer
    most = _LARGEST[table.route.column(table.identity).arrow]
    column = sa.column(table.identity, sa.BigInteger)
    used: sa.ColumnElement[int] = sa.literal_column(str(min((table.next_identity or 1) - 1, most)))
    last = sa.select(
        sa.func.greatest(sa.func.coalesce(sa.cast(sa.func.max(column), sa.BigInteger), 0), used).label("value")
    ).select_from(sa.table(table.name))
    sequence = sa.func.pg_get_serial_sequence(
        sa.literal(prepare.quote(table.name), sa.Text), sa.literal(table.identity, sa.Text)
    )
    value = last.subquery("last").c.value
    statement = sa.select(sa.func.setval(sequence, sa.func.greatest(value, 1), value >= 1))
    sql = str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return Statement(table.name, f"identity of {table.name}", sql)
