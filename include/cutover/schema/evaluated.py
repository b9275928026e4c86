"""An expression of the user's that the source evaluates for each row: parsed, sure to give the same, printed anew."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.generators.mysql import MySQLGenerator

from cutover.schema.model import Table
from cutover.schema.rewrite.scope import UntranslatableError
from cutover.schema.rewrite.source import parse_expression

# Calls that give the same for the same arguments, whenever and by whom they are made (MySQL manual, Built-In
# Function and Operator Reference; MariaDB manual, Built-in Functions). Any other may look at a clock or a table.
_STEADY = """
    ABS ACOS ASCII ASIN ATAN ATAN2 BIN BIT_COUNT BIT_LENGTH CEIL CEILING CHAR CHARACTER_LENGTH CHAR_LENGTH CHR COALESCE
    CONCAT CONCAT_WS CONV COS COT CRC32 DATE DATEDIFF DATE_ADD DATE_FORMAT DATE_SUB DAY DAYNAME DAYOFMONTH DAYOFWEEK
    DAYOFYEAR DEGREES ADDDATE SUBDATE ADDTIME SUBTIME ELT EXP EXPORT_SET FIELD FIND_IN_SET FLOOR FORMAT FROM_BASE64
    FROM_DAYS FROM_UNIXTIME GREATEST HEX HOUR IFNULL INET6_ATON INET6_NTOA INET_ATON INET_NTOA INSERT INSTR ISNULL
    IS_IPV4 IS_IPV6 IS_UUID JSON_ARRAY JSON_COMPACT JSON_CONTAINS JSON_CONTAINS_PATH JSON_DEPTH JSON_EXISTS
    JSON_EXTRACT JSON_KEYS JSON_LENGTH JSON_OBJECT JSON_QUERY JSON_QUOTE JSON_REMOVE JSON_REPLACE JSON_SEARCH JSON_SET
    JSON_TYPE JSON_UNQUOTE JSON_VALID JSON_VALUE LAST_DAY LCASE LEAST LEFT LENGTH LN LOCATE LOG LOG10 LOG2 LOWER LPAD
    LTRIM MAKEDATE MAKETIME MAKE_SET MD5 MICROSECOND MID MINUTE MOD MONTH MONTHNAME NULLIF NVL NVL2 OCT OCTET_LENGTH
    ORD PERIOD_ADD PERIOD_DIFF PI POW POWER QUARTER QUOTE RADIANS REGEXP_INSTR REGEXP_LIKE REGEXP_REPLACE
    REGEXP_SUBSTR REPEAT REPLACE REVERSE RIGHT ROUND RPAD RTRIM SECOND SEC_TO_TIME SHA SHA1 SHA2 SIGN SIN SOUNDEX SPACE
    SQRT STRCMP STR_TO_DATE SUBSTRING_INDEX ST_X ST_Y ST_ASTEXT ST_LATITUDE ST_LONGITUDE ST_AREA ST_LENGTH TAN TIME
    TIMEDIFF TIMESTAMP TIMESTAMPADD TIMESTAMPDIFF TIME_FORMAT TIME_TO_SEC TO_BASE64 TO_DAYS TO_SECONDS TRUNCATE UCASE
    UNHEX UNIX_TIMESTAMP UPPER UUID_TO_BIN BIN_TO_UUID WEEK WEEKDAY WEEKOFYEAR YEAR YEARWEEK
"""
# What the parser knows by a grammar of its own, and what it makes of operators.
_KNOWN = (
    *(exp.If, exp.Case, exp.Cast, exp.Extract, exp.Trim, exp.Substring, exp.StrPosition, exp.And, exp.Or, exp.Xor),
    *(exp.Concat, exp.Soundex, exp.RegexpLike, exp.JSONExtract, exp.JSONExtractScalar),
)
_REFUSED: dict[type[exp.Expr], str] = {
    exp.Query: "a subquery",
    exp.Exists: "a subquery",
    exp.Window: "a window over rows",
    exp.Parameter: "a variable of the session",
    exp.SessionParameter: "a variable of the server",
    exp.Placeholder: "a placeholder",
    exp.Star: "a star",
    exp.Alias: "an alias",
    exp.Dot: "a routine of a schema",
}
_WITH_UNIT = ("TIMESTAMPADD", "TIMESTAMPDIFF")


class _Generator(MySQLGenerator):
    # MariaDB has the operator alone (10.11).
    TRANSFORMS = MySQLGenerator.TRANSFORMS | {exp.RegexpLike: lambda self, tree: self.binary(tree, "REGEXP")}


def evaluated(written: str, table: Table) -> str:
    """Return an expression as the source is asked for it, in its own dialect.

    Args:
        written: an expression over one row, such as ``price * quantity``.
        table: the table whose columns it may name.

    Raises:
        UntranslatableError: it is no expression, names what is no column of the table, or need not give the same
            when it is evaluated again, for the proof; ``construct`` says which.
    """
    tree = parse_expression(written)
    if isinstance(tree, exp.Tuple | exp.Interval):
        raise UntranslatableError("no single value")
    for part in list(tree.walk()):
        for kind, what in _REFUSED.items():
            if isinstance(part, kind):
                raise UntranslatableError(what)
        if isinstance(part, exp.Func):
            _refuse_unsteady(part)
    known = {column.name.lower(): column.name for column in table.columns}
    for column in list(tree.find_all(exp.Column)):
        if column.args.get("db") or column.text("table").lower() not in ("", table.name.lower()):
            raise UntranslatableError(f"{column.sql(dialect='mysql')}, which is of another table")
        if column.name.lower() not in known:
            raise UntranslatableError(f"{column.name}, which is no column of {table.name}")
        named = exp.column(known[column.name.lower()], quoted=True)
        tree = named if column is tree else tree
        column.replace(named)
    return str(_Generator(dialect=MySQL(), identify=True, comments=False).generate(tree))


def _refuse_unsteady(call: exp.Func) -> None:
    if isinstance(call, _KNOWN):
        return
    name = call.name.upper() if isinstance(call, exp.Anonymous) else call.sql_name()
    if not isinstance(call, exp.Anonymous) or name not in _STEADY.split() or (name == "UNIX_TIMESTAMP" and _bare(call)):
        raise UntranslatableError(f"{name}, which is not known to give the same each time")
    if name in _WITH_UNIT and call.expressions and isinstance(call.expressions[0], exp.Column):
        call.expressions[0].replace(exp.var(call.expressions[0].name.upper()))


def _bare(call: exp.Anonymous) -> bool:
    return not call.expressions


def reading(expression: str, arrow: str) -> tuple[str, str]:
    """Return what the source is asked for and the Arrow type that comes back, so that ``arrow`` is made exactly.

    Text says a value to the last digit, and what is no value of the type is refused by the cast from it.
    """
    if arrow.startswith("float"):
        # As a product it is a DOUBLE, which the protocol writes in full.
        return f"({expression})*1e0", "float64"
    if arrow == "binary":
        return f"CAST({expression} AS BINARY)", "binary"
    if arrow == "timestamptz":
        return f"CONCAT(CAST(CAST({expression} AS DATETIME(6)) AS CHAR), 'Z')", "string"
    return f"CAST({expression} AS CHAR)", "string"
