"""SQL that goes into SQLAlchemy constructs word for word: a column's type, an expression, a statement."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType


class Written(UserDefinedType[object]):
    """A column type as PostgreSQL spells it, with a collation where it has one: ``Written("varchar(20)")``."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Written({self.text!r})"

    def get_col_spec(self, **_: object) -> str:
        """Return the type's text."""
        return self.text


def verbatim(sql: str) -> sa.TextClause:
    """Return SQL as an element, none of whose words is a parameter."""
    return sa.text(escaped(sql))


def escaped(sql: str) -> str:
    """Return SQL for ``text()`` and Alembic's ``op.execute``, which may read a word after a colon as a parameter."""
    plain = sa.text(sql).compile()
    return sql if str(plain) == sql and not plain.params else sql.replace(":", r"\:")
