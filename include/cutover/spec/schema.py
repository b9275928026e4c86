"""The ``schema`` part: what of the schema comes along."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from cutover.spec.base import (
    AlwaysTrue,
    Count,
    Many,
    Milliseconds,
    Name,
    NotYet,
    Part,
    refusal,
)
from cutover.spec.checks import Validation

# How many connections to the target Great Expectations holds.
EXPECTATIONS = 2

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")


def _secret(value: object) -> object:
    if value is not None and not (isinstance(value, str) and _REFERENCE.fullmatch(value)):
        raise refusal(("", "a password is not written into a spec; write ${NAME_OF_AN_ENVIRONMENT_VARIABLE}"))
    return value


def _text(value: object) -> object:
    if isinstance(value, str) and "${" in value and not _REFERENCE.fullmatch(value):
        raise refusal(("", "a ${NAME} reference stands alone, with nothing around it"))
    return value


def _port(value: object) -> object:
    if isinstance(value, str) and not _REFERENCE.fullmatch(value):
        raise refusal(("", "should be a port number, or ${NAME} of an environment variable"))
    return value


Reference = Annotated[Name, BeforeValidator(_text)]
Secret = Annotated[
    str, BeforeValidator(_secret), WithJsonSchema({"type": "string", "pattern": f"^{_REFERENCE.pattern}$"})
]
Port = Annotated[Annotated[int, Field(ge=1, le=65535)] | str, BeforeValidator(_port)]


class Pool(Part):
    """How many connections a run holds to a server; without a pool, as many as there is work for.

    max: so many the whole run holds at once at most; there are no more workers than it has room for.
    acquire: how long to try for a connection where the server is full, or the pool has none free.
    min: so many connections a process keeps open between uses; where it is not said, 5 or max if that is less.
    idle: how long one of the others stays open when nobody uses it.
    Workers and the Arrow readers and writers keep none: min and idle are about the other steps' connections.
    """

    min: Annotated[int, Field(ge=0)] = 5
    max: Count = 20
    acquire: Milliseconds = 60_000
    idle: Milliseconds = 10_000

    @property
    def kept(self) -> int:
        """How many connections a process keeps open."""
        return min(self.min, self.max)

    @model_validator(mode="after")
    def _in_order(self) -> Pool:
        if self.min > self.max and "min" in self.model_fields_set:
            raise refusal(("min", f"is {self.min}, which is more than max, {self.max}"))
        return self


class Login(Part):
    """A server and account; ``${NAME}`` stays as written and is resolved when a run connects."""

    host: Reference | None = None
    port: Port | None = None
    database: Reference | None = None
    username: Reference | None = None
    password: Secret | None = None
    pool: Pool | None = None

    @property
    def given(self) -> bool:
        """Whether this names a server, rather than only a type."""
        return any(x is not None for x in (self.host, self.port, self.database, self.username, self.password))

    @model_validator(mode="after")
    def _complete(self) -> Login:
        missing = [key for key in ("host", "database", "username") if getattr(self, key) is None]
        if self.given and missing:
            raise refusal(*[(key, "is required beside the other keys of a login") for key in missing])
        return self


class SourceLogin(Login):
    """The database that is read."""

    type: Annotated[Literal["mysql"], NotYet("postgresql", "oracle", "sqlserver")] = "mysql"


class TargetLogin(Login):
    """The database that is written."""

    type: Annotated[Literal["postgresql"], NotYet("mysql", "oracle", "sqlserver")] = "postgresql"

    @model_validator(mode="after")
    def _room_for_expectations(self) -> TargetLogin:
        if self.pool is not None and self.pool.max < EXPECTATIONS:
            raise refusal(
                ("pool.max", f"is too small; {EXPECTATIONS} is the least, for Great Expectations holds so many")
            )
        return self


class Database(Part):
    """Both ends, as the requirement writes them; top-level source and target say the same."""

    source: SourceLogin = Field(default_factory=SourceLogin)
    target: TargetLogin = Field(default_factory=TargetLogin)


class Patterns(Part):
    """Glob patterns of table names; a table must match an include and no exclude."""

    include: Annotated[Many[Name], Field(min_length=1)] = ("*",)
    exclude: Many[Name] = ("temp_*", "backup_*", "log_*")


class TableOptions(Part):
    """What comes along with a table; false leaves it behind knowingly."""

    preserve_data: AlwaysTrue = True
    preserve_indexes: bool = True
    preserve_constraints: bool = True
    preserve_triggers: bool = True
    preserve_views: bool = True
    preserve_stored_procedures: bool = True


class Columns(Part):
    """How columns are translated.

    typeMapping overrides the built-in translation of a type, by its full spelling or its name.

    defaultValueHandling: preserve carries every default; update also gives a NOT NULL column without one
    what MySQL puts there in silence outside strict mode (manual, Data Type Default Values); remove carries none.

    nullHandling: preserve carries NOT NULL; update also sets it where a defaultValues entry replaces every
    NULL; remove carries it for keys alone.

    generatedColumns: compute lets the target make their values; values carries those of the source into
    plain columns.

    ignoreCase says what becomes of text that the source compares without regard to case: letter compares it
    letter by letter, as PostgreSQL does; lower makes its unique indexes unique over lower(column); icu gives
    the columns of keys a collation that ignores case, so that uniqueness and foreign keys mean what they did
    (PostgreSQL before 18 knows no LIKE for such a column: manual, Nondeterministic Collations); citext gives
    them the type of that name, which takes the extension in the target.
    """

    preserve_types: AlwaysTrue = True
    type_mapping: dict[str, Name] = Field(default_factory=dict)
    default_value_handling: Literal["preserve", "update", "remove"] = "preserve"
    null_handling: Literal["preserve", "update", "remove"] = "preserve"
    generated_columns: Literal["compute", "values"] = "compute"
    ignore_case: Literal["letter", "lower", "icu", "citext"] = "letter"


class Tables(Part):
    """Which tables, and what of them.

    identifiers: keep calls everything what the source does; fold in lower case, so that SQL without quotes
    finds it. Names that PostgreSQL has no room for are shortened, the same way every time.
    """

    patterns: Patterns = Field(default_factory=Patterns)
    options: TableOptions = Field(default_factory=TableOptions)
    columns: Columns = Field(default_factory=Columns)
    identifiers: Literal["keep", "fold"] = "keep"

    @property
    def fold(self) -> bool:
        """Whether names become lower case."""
        return self.identifiers == "fold"


class Indexes(Part):
    """How indexes are built in the target.

    optimizeIndexes leaves out those whose place another index takes: its double, or one that begins with
    its columns. It defaults to false, where the requirement's example says true: leaving an object out is
    for the user to ask for.
    """

    enabled: bool = True
    preserve_indexes: bool = True
    optimize_indexes: bool = False
    parallel_index_creation: bool = True
    index_creation_timeout: Milliseconds = 300_000


class Constraints(Part):
    """How keys and checks are built in the target.

    deferrableConstraints defaults to false, where the requirement's example says true: PostgreSQL refuses
    a foreign key that points at a deferrable key (CREATE TABLE, "REFERENCES").

    validateConstraints: false asks foreign keys and checks of rows to come alone (NOT VALID); orphans stay.
    """

    enabled: bool = True
    preserve_constraints: bool = True
    validate_constraints: bool = True
    deferrable_constraints: bool = False
    constraint_timeout: Milliseconds = 300_000


class Settings(Part):
    """What is migrated of the schema; allowLosses lets a run go on that cannot carry all of it."""

    tables: Tables = Field(default_factory=Tables)
    indexes: Indexes = Field(default_factory=Indexes)
    constraints: Constraints = Field(default_factory=Constraints)
    allow_losses: bool = False


class SchemaSpec(Part):
    """SchemaMigrationConfig of the requirement."""

    database: Database = Field(default_factory=Database)
    settings: Settings = Field(default_factory=Settings)
    validation: Validation = Field(default_factory=Validation)
