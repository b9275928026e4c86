"""What a name means: a variable, a column of a table in view, or an alias of the select list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.context import Context, Frame, Origin
from cutover.schema.rewrite.scope import Attribute, Relation, UntranslatableError
from cutover.schema.rewrite.value import Value, of_attribute

_ROWS = ("new", "old")


def relation(context: Context, name: str) -> Relation:
    """Return the table or view of that name.

    Raises:
        UntranslatableError: there is none, or several that differ by case alone.
    """
    found = context.scope.relations.get(name)
    if found is not None:
        return found
    alike = [value for key, value in context.scope.relations.items() if key.lower() == name.lower()]
    if len(alike) != 1:
        raise UntranslatableError(f"table {name}, which is not carried" if not alike else f"table {name}, of several")
    return alike[0]


def refuse_other_database(context: Context, tree: exp.Expr) -> None:
    """Raise UntranslatableError where a name is qualified with another database."""
    database = tree.args.get("db")
    if tree.args.get("catalog") or (database is not None and database.name.lower() != context.scope.database.lower()):
        raise UntranslatableError(f"another database: {tree.sql(dialect='mysql', comments=False)}")


def column(context: Context, tree: exp.Expr) -> Value:
    """Return what a column's name means here.

    Raises:
        UntranslatableError: nothing in view has this name, or several things have.
    """
    refuse_other_database(context, tree)
    name = tree.name.lower()
    table = tree.text("table")
    if table:
        return _qualified(context, table, tree.name)
    variable = context.scope.variables.get(name)
    if variable is not None:
        return of_attribute(variable, quoted(variable.name))
    for depth, frame in enumerate(reversed(context.frames)):
        found = _unqualified(frame, name, outer=depth > 0, variables=bool(context.scope.variables))
        if found is not None:
            return found
    raise UntranslatableError(f"column {tree.name}, which is not known")


def _qualified(context: Context, table: str, name: str) -> Value:
    for frame in reversed(context.frames):
        for origin in frame.origins:
            if origin.called.lower() != table.lower():
                continue
            attribute = origin.attributes.get(name.lower())
            if attribute is None:
                raise UntranslatableError(f"column {table}.{name}, which is not known")
            return _column(frame, origin, attribute, qualify=frame.qualify)
    if table.lower() in _ROWS:
        attribute = context.scope.variables.get(f"{table}.{name}".lower())
        if attribute is not None:
            # A trigger's row: the attribute is named as its column is.
            bare = (
                attribute.name.partition(".")[2] if attribute.name[:4].lower() in ("new.", "old.") else attribute.name
            )
            return of_attribute(attribute, f"{table.upper()}.{quoted(bare.strip(chr(34)))}")
    raise UntranslatableError(f"column {table}.{name}, which is not known")


def _unqualified(frame: Frame, name: str, outer: bool, variables: bool) -> Value | None:
    alias = None if outer else frame.aliases.get(name)
    if alias is not None and frame.aliases_first:
        return alias
    found = [origin for origin in frame.origins if name in origin.attributes]
    if not found:
        return alias
    if name in frame.merged:
        attribute = found[0].attributes[name]
        return of_attribute(attribute, quoted(attribute.name))
    if len(found) > 1:
        raise UntranslatableError(f"column {name}, of several tables")
    attribute = found[0].attributes[name]
    # Beside a routine's variables a bare name could mean one of them, in ORDER BY what is selected.
    qualify = frame.qualify and (outer or variables or frame.aliases_first or len(frame.origins) > 1)
    made = _column(frame, found[0], attribute, qualify)
    if alias is not None and alias.sql not in (made.sql, _column(frame, found[0], attribute, qualify=True).sql):
        raise UntranslatableError(f"{name}, which is a column and an alias")
    return made


def _column(frame: Frame, origin: Origin, attribute: Attribute, qualify: bool) -> Value:
    written = f"{quoted(origin.name)}.{quoted(attribute.name)}" if qualify else quoted(attribute.name)
    return of_attribute(attribute, written)


def all_columns(frame: Frame, table: str | None) -> Iterator[tuple[str, Value]]:
    """Yield what ``*`` or ``table.*`` stands for, with the names in the source.

    Raises:
        UntranslatableError: a USING merges columns, or the table is not in view.
    """
    if frame.merged:
        raise UntranslatableError("* over JOIN ... USING")
    origins = [origin for origin in frame.origins if table is None or origin.called.lower() == table.lower()]
    if not origins:
        raise UntranslatableError(f"{table or ''}*, of no table".lstrip())
    for origin in origins:
        for name, attribute in origin.attributes.items():
            called = attribute.name if attribute.name.lower() == name else name
            yield called, _column(frame, origin, attribute, qualify=len(frame.origins) > 1)


def output(name: str, value: Value) -> Attribute:
    """Return a query's column as what is selected from it."""
    type_ = value.type
    if value.kind == "decimal" and value.scale is not None:
        type_ = f"numeric(65,{value.scale})"
    if value.kind == "null":
        raise UntranslatableError(f"column {name}, which is NULL of no type")
    return Attribute(name, type_, value.kind, value.ignores_case)


def outputs(columns: tuple[tuple[str | None, Value], ...], renamed: list[str]) -> Mapping[str, Attribute]:
    """Return a subquery's columns by lower-case name; ``renamed`` are names that it is given."""
    if renamed and len(renamed) != len(columns):
        raise UntranslatableError("a list of columns that does not fit its query")
    names: list[str | None] = [*renamed] or [name for name, _ in columns]
    return {
        name.lower(): output(name, value) for name, (_, value) in zip(names, columns, strict=True) if name is not None
    }
