"""INSERT, UPDATE and DELETE."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from cutover.dialects.postgresql import quoted
from cutover.schema.rewrite.casts import stored
from cutover.schema.rewrite.context import Context, Origin
from cutover.schema.rewrite.names import refuse_other_database, relation
from cutover.schema.rewrite.scope import Attribute, Relation, UntranslatableError
from cutover.schema.rewrite.source import refuse_others
from cutover.schema.rewrite.sources import Sources, joined
from cutover.schema.rewrite.value import AND, condition
from cutover.schema.rewrite.withs import with_queries

_INSERT_PARTS = frozenset({"with_", "this", "expression", "ignore"})
_UPDATE_PARTS = frozenset({"with_", "this", "expressions", "where"})
_DELETE_PARTS = frozenset({"with_", "this", "tables", "using", "where"})
_IGNORE = "IGNORE leaves out rows whose key is there; other errors that it hides in the source remain errors"
_ONE_OF_SEVERAL = "where several rows match one, it takes any of them, as the source does"


def statement(context: Context, tree: exp.Expr) -> str:
    """Translate a statement.

    Raises:
        UntranslatableError: it has a part whose meaning in PostgreSQL is not surely the same.
    """
    if isinstance(tree, exp.Insert):
        return _insert(context, tree)
    if isinstance(tree, exp.Update):
        return _update(context, tree)
    if isinstance(tree, exp.Delete):
        return _delete(context, tree)
    return context.query(tree).sql


def _insert(context: Context, tree: exp.Insert) -> str:
    if tree.args.get("conflict"):
        raise UntranslatableError("ON DUPLICATE KEY UPDATE")
    refuse_others(tree, _INSERT_PARTS)
    context, head = with_queries(context, tree)
    schema = tree.this
    table = schema.this if isinstance(schema, exp.Schema) else schema
    if not isinstance(table, exp.Table) or table.alias:
        raise UntranslatableError("INSERT into something else than a table")
    refuse_other_database(context, table)
    meant = relation(context, table.name)
    written = [name.name for name in schema.expressions] if isinstance(schema, exp.Schema) else []
    targets = [_attribute(meant, name) for name in written] or list(meant.attributes.values())
    source = tree.args.get("expression")
    if isinstance(source, exp.Values):
        if not written and all(not row.expressions for row in source.expressions):
            body = "DEFAULT VALUES"
            if len(source.expressions) > 1:
                raise UntranslatableError("INSERT of several rows of defaults")
            columns = ""
        else:
            body = f"VALUES {', '.join(_row(context, row, targets) for row in source.expressions)}"
            columns = f" ({', '.join(quoted(target.name) for target in targets)})"
    elif isinstance(source, exp.Query):
        body = context.query(source, targets).sql
        columns = f" ({', '.join(quoted(target.name) for target in targets)})"
    else:
        raise UntranslatableError("INSERT without values")
    ending = ""
    if tree.args.get("ignore"):
        context.note(_IGNORE)
        ending = " ON CONFLICT DO NOTHING"
    return f"{head}INSERT INTO {quoted(meant.name)}{columns} {body}{ending}"


def _attribute(meant: Relation, name: str) -> Attribute:
    found = meant.attributes.get(name.lower())
    if found is None:
        raise UntranslatableError(f"column {name}, which is not known")
    return found


def _row(context: Context, row: exp.Expr, targets: Sequence[Attribute]) -> str:
    items = row.expressions if isinstance(row, exp.Tuple) else [row.this if isinstance(row, exp.Paren) else row]
    if len(items) != len(targets):
        raise UntranslatableError("INSERT of another number of values than columns")
    return f"({', '.join(_stored(context, item, target) for item, target in zip(items, targets, strict=True))})"


def _stored(context: Context, tree: exp.Expr, target: Attribute) -> str:
    # The parser takes the word for a variable in VALUES and for a column in SET.
    if isinstance(tree, exp.Var | exp.Column) and tree.name.upper() == "DEFAULT" and not tree.text("table"):
        return "DEFAULT"
    return stored(context, context.value(tree), target).sql


def _update(context: Context, tree: exp.Update) -> str:
    refuse_others(tree, _UPDATE_PARTS)
    context, head = with_queries(context, tree)
    found = Sources(context)
    tables, conditions = _inner_tables(found, tree.this, "UPDATE")
    within = found.within()
    owner: Origin | None = None
    changed: set[str] = set()
    made = []
    for entry in tree.expressions:
        if not isinstance(entry, exp.EQ) or not isinstance(entry.this, exp.Column):
            raise UntranslatableError("SET of something else than columns")
        origin, target = _target(found, entry.this)
        if owner is not None and origin is not owner:
            raise UntranslatableError("UPDATE of several tables")
        owner = origin
        # MySQL assigns from the left, and what follows reads the new value.
        if changed & _read_columns(entry.expression):
            raise UntranslatableError("SET that reads a column it has set before")
        changed.add(entry.this.name.lower())
        made.append(f"{quoted(target.name)} = {_stored(within, entry.expression, target)}")
    if owner is None:
        raise UntranslatableError("UPDATE that sets nothing")
    if len({target.split(" = ")[0] for target in made}) < len(made):
        raise UntranslatableError("SET of one column twice")
    own, others = _apart(found, tables, owner)
    if others:
        context.note(_ONE_OF_SEVERAL)
    from_ = f" FROM {', '.join(others)}" if others else ""
    where = _where(within, tree, conditions)
    # Text made of translated parts, never run here.
    return f"{head}UPDATE {own} SET {', '.join(made)}{from_}{where}"  # noqa: S608


def _delete(context: Context, tree: exp.Delete) -> str:
    refuse_others(tree, _DELETE_PARTS)
    context, head = with_queries(context, tree)
    found = Sources(context)
    targets, using = tree.args.get("tables") or [], tree.args.get("using") or []
    if using:
        targets, first = [tree.this], using[0]
        if len(using) > 1:
            raise UntranslatableError("DELETE with USING of several tables")
    else:
        first = tree.this
    tables, conditions = _inner_tables(found, first, "DELETE")
    if len(targets) > 1:
        raise UntranslatableError("DELETE from several tables")
    if not targets and len(tables) > 1:
        raise UntranslatableError("DELETE from several tables")
    called = targets[0].name if targets else found.origins[0].called
    owners = [origin for origin in found.origins if origin.called.lower() == called.lower()]
    if len(owners) != 1:
        raise UntranslatableError(f"DELETE {called}")
    own, others = _apart(found, tables, owners[0])
    using_ = f" USING {', '.join(others)}" if others else ""
    # Text made of translated parts, never run here.
    return f"{head}DELETE FROM {own}{using_}{_where(found.within(), tree, conditions)}"  # noqa: S608


def _inner_tables(found: Sources, first: exp.Expr, verb: str) -> tuple[list[str], list[str]]:
    """Return the tables that are joined and the conditions they are joined on; ``found`` gains their names."""
    joins = list(first.args.get("joins") or [])
    bare = first.copy()
    bare.set("joins", None)
    tables, conditions = [joined(found, bare, [])], []
    for join in joins:
        if join.args.get("side") or join.args.get("method") or join.args.get("using"):
            raise UntranslatableError(f"{verb} with another JOIN than an inner one with ON")
        tables.append(joined(found, join.this, []))
        if join.args.get("on") is not None:
            conditions.append(condition(found.within().value(join.args["on"])).at(AND))
    if len(tables) != len(found.origins):
        raise UntranslatableError(f"{verb} of tables in parentheses")
    return tables, conditions


def _apart(found: Sources, tables: Sequence[str], owner: Origin) -> tuple[str, list[str]]:
    place = next(place for place, origin in enumerate(found.origins) if origin is owner)
    if tables[place].startswith("("):
        raise UntranslatableError("a change of what a subquery finds")
    return tables[place], [table for number, table in enumerate(tables) if number != place]


def _where(context: Context, tree: exp.Expr, conditions: Sequence[str]) -> str:
    made = list(conditions)
    clause = tree.args.get("where")
    if clause is not None:
        own = condition(context.value(clause.this))
        made.append(own.at(AND) if made else own.sql)
    return f" WHERE {' AND '.join(made)}" if made else ""


def _target(found: Sources, tree: exp.Column) -> tuple[Origin, Attribute]:
    refuse_other_database(found.context, tree)
    name, table = tree.name.lower(), tree.text("table").lower()
    owners = [origin for origin in found.origins if name in origin.attributes and table in ("", origin.called.lower())]
    if len(owners) != 1:
        raise UntranslatableError(f"column {tree.name}, which is not known")
    return owners[0], owners[0].attributes[name]


def _read_columns(tree: exp.Expr) -> set[str]:
    return {column.name.lower() for column in tree.find_all(exp.Column)}
