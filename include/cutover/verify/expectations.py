"""Run expectation suites on the target itself: the generated ones and the user's own.

Great Expectations does the asking and writes its Data Docs; the queries come from
:mod:`cutover.verify.generated` and from the files of the migration's ``expectations`` folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cutover.dialects import pools, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import TransientError, VerificationError
from cutover.schema.target import TargetTable
from cutover.verify import generated, suites
from cutover.verify.generated import Rule
from cutover.verify.suites import OwnExpectation

_SHOWN = 5
DOCUMENTED = 100
_LONGEST = 300
_URL = "CUTOVER_TARGET_URL"


@dataclass(frozen=True)
class Result:
    """What became of one expectation; ``column`` is None where it is about the whole table.

    ``severity`` is what the user's suite says (critical, warning or info); a failure is a failure at any.
    """

    table: str
    expectation: str
    column: str | None
    success: bool
    detail: str
    severity: str = "critical"

    def __str__(self) -> str:
        where = f"{self.table}.{self.column}" if self.column else self.table
        return f"{where}: {self.expectation}" + (f": {self.detail}" if self.detail else "")


def nameable(table: TargetTable) -> bool:
    """Whether Great Expectations can query the table: it takes quotes off a name, and doubles a percent sign."""
    return table.name.strip("\"'`[]") == table.name and not any(
        "%" in name for name in (table.name, *(column.target for column in table.route.columns))
    )


def validate(
    tables: tuple[TargetTable, ...],
    target: Endpoint,
    schema: str,
    expected_rows: dict[str, int],
    relaxed: frozenset[str],
    own: Sequence[OwnExpectation],
    data_docs: Path,
    kinds: frozenset[str],
) -> list[Result]:
    """Run every suite and say what became of each expectation.

    Args:
        tables: the tables as planned.
        target: the server they are on.
        schema: the schema that holds them.
        expected_rows: rows that each table must hold, by target name; one that is not in it must be empty.
        relaxed: columns, as ``table.column``, that may hold NULL although the source's may not.
        own: the user's expectations; see :func:`cutover.verify.suites.read`.
        data_docs: folder for the report as a web site; begin with its ``index.html``. It is not written for
            more than :data:`DOCUMENTED` suites: two pages for each take longer than the suites themselves.
        kinds: what to generate: rows, types, not_null, unique, foreign_keys, values.

    Raises:
        TransientError: the server was lost.
        VerificationError: the suites could not be run.
    """
    with postgresql.session(target, schema) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
        there = {row[0] for row in found}
        items: list[Rule | OwnExpectation] = [
            rule
            for table in tables
            if table.name in there
            for rule in generated.rules(connection, schema, table, expected_rows.get(table.name, 0), relaxed, kinds)
        ]
    asked = {table.name for table in tables if kinds} | {each.table for each in own}
    missing = [table.name for table in tables if table.name in asked - there]
    items += [each for each in own if each.table in there]
    results = [Result(name, "expect the table", None, False, "it does not exist") for name in missing]
    if not items:
        return results
    lost: list[BaseException] = []
    answers: dict[int, Any] = {}
    try:
        answers = _ask(items, target, schema, data_docs, lost)
    except Exception as error:
        lost += [cause for cause in _causes(error) if _may_pass(cause)]
        if not lost:
            text = f"Great Expectations could not run on {target}: {_first_line(str(error))}"
            raise VerificationError(_hidden(text, target)) from None
    if lost:
        text = f"{target} was lost during the expectations: {_first_line(str(lost[0]))}"
        raise TransientError(_hidden(text, target))
    for position, item in enumerate(items):
        answer = answers[position]
        said = _about_rule(item, answer) if isinstance(item, Rule) else [_about_own(item, answer)]
        results += [replace(result, detail=_hidden(result.detail, target)) for result in said]
    return results


def _ask(
    items: Sequence[Rule | OwnExpectation],
    target: Endpoint,
    schema: str,
    data_docs: Path,
    lost: list[BaseException],
) -> dict[int, Any]:
    """Return Great Expectations' answers by position; ``lost`` gets the errors that may pass."""
    gx = suites.library()
    from great_expectations.data_context.types import base

    data_docs.mkdir(parents=True, exist_ok=True)
    place = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    config = base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        data_docs_sites={"cutover": {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": place}},
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    )
    # The URL is put in when a connection is made: what Great Expectations keeps, prints and renders
    # holds only the name of the variable.
    address = _url(target, schema)
    secrets = {_URL: address.replace("$", r"\$")}  # it would be taken for another variable
    context = gx.get_context(mode="ephemeral", project_config=config, runtime_environment=secrets)
    source = context.data_sources.add_postgres(
        "target", connection_string=f"${{{_URL}}}", kwargs=_connecting(target, address, lost)
    )
    engines = [source.get_engine(), source.get_execution_engine().engine]
    answers: dict[int, Any] = {}
    try:
        for engine in engines:
            _note_losses(engine, lost)
        for complete in (True, False):
            definitions = _definitions(gx, context, source, items, complete)
            if not definitions:
                continue
            checkpoint = gx.Checkpoint(
                name=f"cutover-{'complete' if complete else 'summary'}",
                validation_definitions=definitions,
                actions=[
                    gx.checkpoint.UpdateDataDocsAction(name="data docs", site_names=["cutover"])
                    for _ in range(len(definitions) <= DOCUMENTED)
                ],
                result_format="COMPLETE" if complete else "SUMMARY",
            )
            run_id = gx.RunIdentifier(run_name=re.sub(r"[^\w-]", "_", schema))
            for run in context.checkpoints.add(checkpoint).run(run_id=run_id).run_results.values():
                answers |= {result.expectation_config.meta["position"]: result for result in run.results}
    finally:
        for engine in engines:
            engine.dispose()
    return answers


def _definitions(
    gx: Any, context: Any, source: Any, items: Sequence[Rule | OwnExpectation], complete: bool
) -> list[Any]:
    """Build one suite for each table and origin that has items of this result format."""
    groups: dict[tuple[str, str], list[tuple[int, Rule | OwnExpectation]]] = {}
    for position, item in enumerate(items):
        origin = "generated" if isinstance(item, Rule) else item.file.stem
        if complete == (isinstance(item, Rule) or item.is_query):
            groups.setdefault((item.table, origin), []).append((position, item))
    definitions = []
    taken = {suite.name.lower() for suite in context.suites.all()}
    for (table, origin), members in groups.items():
        # The name becomes a file's, and two tables' names may differ only in what a file's cannot hold.
        name = re.sub(r"[^\w-]", "_", f"{table}-{origin}") + ("" if complete else "-columns")
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        # Added one by one, an expectation that is written twice would be asked, and answered, only once.
        asked = [_expectation(gx, position, item) for position, item in members]
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=asked))
        asset = source.add_table_asset(name, table_name=f'"{table}"')
        batch = asset.add_batch_definition_whole_table("all rows")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        definitions.append(context.validation_definitions.add(definition))
    return definitions


def _expectation(gx: Any, position: int, item: Rule | OwnExpectation) -> Any:
    meta = {"position": position}
    if isinstance(item, OwnExpectation):
        return item.built(meta)
    if item.rows is not None:
        return gx.expectations.ExpectTableRowCountToEqual(value=item.rows, meta=meta)
    # Every query has to name the batch, also one that asks the catalogue.
    query = item.query if "{batch}" in item.query else f"/* {{batch}} */{item.query}"
    columns = f" of {'; '.join(item.columns)}" if item.columns else ""
    return gx.expectations.UnexpectedRowsExpectation(
        unexpected_rows_query=query, description=item.expectation + columns, meta=meta
    )


def _url(target: Endpoint, schema: str) -> str:
    # What a suite's query names without a schema is found in the run's own, and no query can write.
    path = postgresql.quoted(schema)
    settings = {"search_path": path, "timezone": "UTC", "default_transaction_read_only": "on"}
    options = " ".join(f"-c {key}=" + re.sub(r"([\\\s])", r"\\\1", value) for key, value in settings.items())
    url = postgresql.url(target, driver=None).set(drivername="postgresql+psycopg2")
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)


def _connecting(target: Endpoint, address: str, lost: list[BaseException]) -> dict[str, Any]:
    """Return how Great Expectations' engines connect, where that is not by themselves."""
    if target.pool is None:
        return {}
    import psycopg2

    url = sa.make_url(address)
    login = url.translate_connect_args(username="user", database="dbname")

    def connect() -> Any:
        if lost:
            # Great Expectations goes on with the next question, which need not wait as long again.
            raise lost[0]
        try:
            return pools.patient(target, lambda: psycopg2.connect(**login, **url.query), postgresql.full)
        except TransientError as error:
            lost.append(error)
            raise

    return {"creator": connect}


def _note_losses(engine: sa.Engine, lost: list[BaseException]) -> None:
    """Note errors that may pass: Great Expectations turns every error into a failed expectation."""

    @sa.event.listens_for(engine, "handle_error")
    def _note(context: sa.ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None and _may_pass(context.sqlalchemy_exception):
            lost.append(context.sqlalchemy_exception)


def _may_pass(error: BaseException) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    state = getattr(error.orig, "pgcode", None)
    # Errors of the client's own making have no SQLSTATE either.
    client = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return postgresql.transient(state) if state else client


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _hidden(text: str, target: Endpoint) -> str:
    return text.replace(target.password, "***") if target.password else text


def _about_rule(rule: Rule, answer: Any) -> list[Result]:
    failure = _exception(answer)
    if rule.rows is not None:
        detail = failure or f"found {answer.result['observed_value']}"
        return [Result(rule.table, rule.expectation, None, bool(answer.success), detail)]
    rows = answer.result.get("details", {}).get("unexpected_rows", [])
    if failure or not rule.columns:
        detail = failure or "; ".join(f"{row['column_name']} {_found(row)}" for row in rows) or rule.how
        success = bool(answer.success)
        return [Result(rule.table, rule.expectation, c, success, detail) for c in rule.columns or (None,)]
    found = {row["column_name"]: _found(row) for row in rows}
    return [Result(rule.table, rule.expectation, c, c not in found, found.get(c, rule.how)) for c in rule.columns]


def _found(row: Mapping[str, Any]) -> str:
    examples = [_cut(str(example)) for example in row["examples"] or ()]
    if row["rows"] is None:
        return ", ".join(examples)
    return f"{int(row['rows'])} unexpected" + (f", e.g. {examples}" if examples else "")


def _about_own(own: OwnExpectation, answer: Any) -> Result:
    detail = _exception(answer) or ("" if answer.success else _observed(answer.result))
    expectation = f"{own.type} ({own.file.name})"
    return Result(own.table, expectation, own.column, bool(answer.success), detail, own.severity)


def _observed(result: Mapping[str, Any]) -> str:
    """Say what a failed expectation of any type saw."""
    details = result.get("details")
    rows = details.get("unexpected_rows") if isinstance(details, Mapping) else None
    if rows:
        shown = [{k: v for k, v in row.items() if k != suites.COUNT} for row in rows[:_SHOWN]]
        return _cut(f"{rows[0][suites.COUNT]} unexpected rows, e.g. {shown}")
    if "unexpected_count" in result:
        examples = result.get("partial_unexpected_list", [])[:_SHOWN]
        return _cut(f"{result['unexpected_count']} unexpected, e.g. {examples}")
    return _cut(f"found {result.get('observed_value', details)}")


def _exception(answer: Any) -> str | None:
    """Return the error that kept an expectation from being looked at, if there was one."""
    info = answer.exception_info or {}
    every = [info] if "raised_exception" in info else list(info.values())
    messages = [str(each.get("exception_message")) for each in every if each.get("raised_exception")]
    return f"could not be asked: {_first_line(messages[0])}" if messages else None


def _first_line(text: str) -> str:
    # SQLAlchemy adds the whole statement to the server's words.
    return _cut(" ".join(text.split("[SQL:")[0].split()))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
