"""The SELECT that draws a sample of one table, in the source's dialect."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from sqlglot import exp

from cutover.spec.sampling import Sampling

# What a table is called within its SELECT: a name with a table before it is never mistaken for an alias.
ROW = "t"


def column(table: str, name: str) -> exp.Column:
    """Return a column of a table that is called ``table`` there."""
    return exp.column(name, table=table, quoted=True)


def named(table: str, alias: str | None = None) -> exp.Table:
    """Return a table, under another name where one is given."""
    called = None if alias is None else exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    return exp.Table(this=exp.to_identifier(table, quoted=True), alias=called)


def draw(
    table: str,
    key: Sequence[str],
    names: Sequence[str],
    where: exp.Expr | None,
    sampling: Sampling,
    stratum: str | None,
) -> exp.Select:
    """Return the SELECT of the keys that are drawn.

    The order that chance gives to rows is that of a hash of the seed, the table and the key: it is the same in every
    session, and both servers compute it alike. A smaller sample is a part of a larger one.

    Args:
        table: the table's name.
        key: the columns of its primary key.
        names: what they are called in the result.
        where: the condition of its rows, with columns of ROW; None where all may be drawn.
        sampling: how many are drawn, and how.
        stratum: the column of whose values each gets its share; None where there is none.
    """
    keys = [column(ROW, name) for name in key]
    rows = exp.select().from_(named(table, ROW)).where(where)
    chosen = rows.select(*(_called(each.copy(), name) for each, name in zip(keys, names, strict=True)))
    chance = _hash(table, keys, sampling.seed)
    method = method_of(sampling, stratum)
    if method == "random" and sampling.sample_size is not None:
        # Several times faster than numbering every row.
        return chosen.order_by(chance).limit(sampling.sample_size)
    counted, by = rows.select(_called(exp.Count(this=exp.Star()), "total")), []
    if method != "systematic":
        # Worked out once: as a window's order the servers work it out for each comparison.
        chosen = chosen.select(_called(chance, "chance"))
    if stratum is not None:
        by = [_of("stratum")]
        chosen = chosen.select(_called(column(ROW, stratum), "stratum"))
        counted = _strata(rows, column(ROW, stratum))
    order = list(map(_of, names)) if method == "systematic" else [_of("chance")]
    placed = exp.select(*map(_of, names), *by, _called(_over(exp.RowNumber(), by, order), "place"))
    drawn = exp.select(*map(_of, names)).from_(_subquery(placed.from_(_subquery(chosen, "chosen")), "placed"))
    alike = [exp.NullSafeEQ(this=column("placed", "stratum"), expression=column("counted", "stratum"))] if by else []
    wanted = _wanted(sampling)
    if method == "systematic":
        condition = _every_so_manieth(wanted, _number(table, sampling.seed))
    else:
        condition = _of("place") <= (wanted if stratum is None else _share(wanted))
    return drawn.join(_subquery(counted, "counted"), on=exp.and_(*alike) if alike else None).where(condition)


def method_of(sampling: Sampling, stratum: str | None) -> str:
    """Return how a table is drawn from: at random where it has no strata."""
    return "random" if sampling.sample_method == "stratified" and stratum is None else sampling.sample_method


def _strata(rows: exp.Select, stratum: exp.Expr) -> exp.Select:
    """Return the SELECT that counts the rows of each stratum, of those so far and of all."""

    def together(order: Sequence[exp.Expr] = ()) -> exp.Expr:
        return exp.cast(_over(exp.Sum(this=exp.Count(this=exp.Star())), order=order), "bigint")

    return rows.select(
        _called(stratum, "stratum"),
        _called(exp.Count(this=exp.Star()), "alike"),
        _called(together([stratum]), "so_far"),
        _called(together(), "total"),
    ).group_by(stratum)


def _of(name: str) -> exp.Column:
    return exp.column(name, quoted=True)


def _called(value: exp.Expr, name: str) -> exp.Expr:
    return exp.alias_(value, name, quoted=True)


def _subquery(select: exp.Select, name: str) -> exp.Subquery:
    return select.subquery(exp.to_identifier(name, quoted=True))


def _over(function: exp.Expr, by: Sequence[exp.Expr] = (), order: Sequence[exp.Expr] = ()) -> exp.Window:
    ordered = [exp.Ordered(this=each.copy(), nulls_first=True) for each in order]
    return exp.Window(
        this=function,
        partition_by=[each.copy() for each in by],
        order=exp.Order(expressions=ordered) if ordered else None,
    )


def _wanted(sampling: Sampling) -> exp.Expr:
    """Return how many of the table's rows are drawn: all at the most; of a part, the next whole number above."""
    if sampling.sample_size is not None:
        return _call("LEAST", exp.Literal.number(sampling.sample_size), _of("total"))
    part = exp.Literal.number(format(Decimal(str(sampling.sample_percentage)), "f"))
    return exp.cast(_call("CEILING", _of("total") * part / 100), "bigint")


def _every_so_manieth(wanted: exp.Expr, start: int) -> exp.Expr:
    """Return the condition that is true of exactly so many rows, at distances that differ by one at the most.

    It is Bresenham's: a row is taken where the line that rises from none to ``wanted`` passes a whole number.
    """
    risen = (_of("place") - 1) * wanted.copy() + exp.Mod(this=exp.Literal.number(start), expression=_of("total"))
    return exp.Mod(this=exp.paren(risen), expression=_of("total")) < wanted.copy()


def _share(wanted: exp.Expr) -> exp.Expr:
    """Return how many a stratum gets: what the stratums so far get together, less what those before it get."""

    def together(members: exp.Expr) -> exp.Expr:
        return exp.IntDiv(this=exp.paren(members * wanted.copy()), expression=_of("total"))

    share = exp.Sub(this=together(_of("so_far")), expression=together(exp.paren(_of("so_far") - _of("alike"))))
    return _call("GREATEST", exp.Literal.number(1), share)


def _hash(table: str, key: Sequence[exp.Expr], seed: int) -> exp.Expr:
    """Return eight bytes that depend on seed, table and key: SHA-2, which is there in FIPS mode where MD5 is not.

    Among a hundred million rows the last that is drawn has its like once in 10^11 seeds.
    """
    salt = exp.Literal.string(_digest(table, seed)[:16])
    parts = [exp.cast(each.copy(), "binary", dialect="mysql") for each in key]
    digest = _call("SHA2", _call("CONCAT_WS", exp.Literal.string("/"), salt, *parts), exp.Literal.number(256))
    return _call("UNHEX", _call("LEFT", digest, exp.Literal.number(16)))


def _number(table: str, seed: int) -> int:
    return int(_digest(table, seed)[16:31], 16)


def _digest(table: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}/{table}".encode()).hexdigest()


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))
