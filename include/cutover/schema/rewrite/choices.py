"""One value out of several: CASE, IF, COALESCE, GREATEST and their like, whose values become one kind first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cutover.schema.rewrite.compare import alike, compare
from cutover.schema.rewrite.context import Context
from cutover.schema.rewrite.moments import as_timestamp
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.value import ATOM, IS, MOMENTS, NUMBERS, Value, as_text, condition, number, truth


def unified(values: Sequence[Value]) -> tuple[list[Value], Value]:
    """Return the values as one kind, and an example of what comes out.

    Raises:
        UntranslatableError: MySQL has a common type for them that is not known to be the target's.
    """
    known = [value for value in values if value.kind != "null"]
    if not known:
        return list(values), values[0]
    kinds = {value.kind for value in known}
    if any(value.truth is not None for value in known):
        raise UntranslatableError("FIND_IN_SET as a number on a set")
    if all(value.kind == "boolean" or value.zero_or_one for value in known):
        return _truths(values, known)
    if kinds <= NUMBERS | {"boolean"}:
        return _numbers(values)
    if len(kinds) == 1 and (kinds == {"text"} or len({value.type for value in known}) == 1):
        return list(values), replace(known[0], literal=None, ignores_case=any(v.ignores_case for v in known))
    if kinds <= MOMENTS:
        made = [value if value.kind == "null" else as_timestamp(value) for value in values]
        widest = max((value for value in made if value.kind != "null"), key=lambda value: value.type)
        return made, replace(widest, literal=None)
    texts = [value if value.kind == "null" else as_text(value) for value in values]
    example = Value("", "text", ignores_case=any(value.ignores_case for value in known))
    return texts, example


def _truths(values: Sequence[Value], known: Sequence[Value]) -> tuple[list[Value], Value]:
    if not any(value.kind == "boolean" for value in known):
        return list(values), replace(known[0], literal=None)
    made = [
        truth("TRUE" if value.literal == "1" else "FALSE", ATOM) if value.zero_or_one else value for value in values
    ]
    stored = any(value.kind == "boolean" and not value.logical for value in known)
    return made, Value("", "boolean", type="boolean", logical=not stored)


def _numbers(values: Sequence[Value]) -> tuple[list[Value], Value]:
    made = [number(value) for value in values]
    known = [value for value in made if value.kind != "null"]
    if any(value.kind == "float" for value in known):
        return made, Value("", "float", type="double precision")
    scales = [value.scale for value in known]
    if all(value.kind == "integer" for value in known):
        type_ = "bigint" if any(value.type == "bigint" for value in known) else "integer"
        return made, Value("", "integer", type=type_, scale=0)
    widest = None if None in scales else max(scale or 0 for scale in scales)
    kept = max((value.kept or 0 for value in known), default=0) or None
    loose = len(set(scales)) > 1 or any(value.loose for value in known)
    return made, Value("", "decimal", scale=widest, loose=loose, kept=kept)


def case(
    context: Context, branches: Sequence[tuple[Value, Value]], otherwise: Value | None, subject: Value | None = None
) -> Value:
    """Return a CASE; with a ``subject`` the first of each pair is what it is compared with.

    Raises:
        UntranslatableError: its values have no common type that is known to be the target's.
    """
    if subject is not None and subject.kind == "null":
        raise UntranslatableError("CASE NULL")
    results = [result for _, result in branches] + ([otherwise] if otherwise is not None else [])
    made, example = unified(results)
    if subject is None:
        tests = [condition(test).sql for test, _ in branches]
        head = "CASE"
    else:
        pairs = [alike(context, subject, test, ordered=False) for test, _ in branches]
        simple = len({one.sql for one, _ in pairs}) == 1
        head = f"CASE {pairs[0][0].sql}" if simple else "CASE"
        tests = [
            other.sql if simple else compare(context, "=", subject, test).sql
            for (_, other), (test, _) in zip(pairs, branches, strict=True)
        ]
    whens = " ".join(f"WHEN {test} THEN {result.sql}" for test, result in zip(tests, made, strict=False))
    ending = f" ELSE {made[-1].sql}" if otherwise is not None else ""
    return replace(example, sql=f"{head} {whens}{ending} END", rank=ATOM)


def coalesce(context: Context, values: Sequence[Value]) -> Value:
    """Return the first value that is not NULL."""
    made, example = unified(values)
    return replace(example, sql=f"COALESCE({', '.join(value.sql for value in made)})", rank=ATOM)


def nullif(context: Context, values: Sequence[Value]) -> Value:
    """Return the first value, or NULL where it equals the second."""
    if values[0].kind == "null":
        return values[0]
    one, other = alike(context, values[0], values[1], ordered=False)
    if one.sql == values[0].sql:
        return replace(values[0], sql=f"NULLIF({one.sql}, {other.sql})", rank=ATOM, literal=None)
    test = compare(context, "=", values[0], values[1]).sql
    return replace(values[0], sql=f"CASE WHEN {test} THEN NULL ELSE {values[0].sql} END", rank=ATOM, literal=None)


def extreme(name: str, context: Context, values: Sequence[Value]) -> Value:
    """Return GREATEST or LEAST: NULL where a value is, which PostgreSQL's own would pass over."""
    made, example = unified(values)
    if example.kind in ("text", "enum", "set", "json", "binary"):
        raise UntranslatableError(f"{name} of {example.kind}")
    called = f"{name}({', '.join(value.sql for value in made)})"
    return replace(example, sql=unless_null(made, called), rank=ATOM)


def unless_null(values: Sequence[Value], sql: str) -> str:
    """Return the SQL, or NULL where one of the values is NULL.

    Raises:
        UntranslatableError: a value would be made twice and is another one each time.
    """
    if any("random" in value.sql for value in values):
        raise UntranslatableError("a random number that is needed twice")
    open_ = dict.fromkeys(f"{value.at(IS + 1)} IS NULL" for value in values if value.literal is None)
    return f"CASE WHEN {' OR '.join(open_)} THEN NULL ELSE {sql} END" if open_ else sql
