"""Ask on the target through Great Expectations, which writes its Data Docs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cutover.dialects import pools, postgresql
from cutover.dialects.endpoint import Endpoint
from cutover.errors import TransientError
from cutover.verify import suites
from cutover.verify.questions import Question
from cutover.verify.suites import OwnExpectation

_URL = "CUTOVER_TARGET_URL"
_SITE = "cutover"
_GENERATED = "generated"


@dataclass(frozen=True)
class _Suite:
    """A suite, its table and the batch it is asked of, and whether every row that is found comes back."""

    table: str
    batch: Any
    asked: Any
    complete: bool


def ask(
    items: Sequence[Question | OwnExpectation],
    target: Endpoint,
    schema: str,
    path: str,
    data_docs: Path,
    documented: int,
    keys: Mapping[str, Sequence[str]],
    lost: list[BaseException],
) -> dict[int, Any]:
    """Return Great Expectations' answers by the items' position.

    Args:
        items: what is asked; those of a table are one suite, and so are the user's of a file.
        target: the server.
        schema: the schema that is asked about; Data Docs name it.
        path: the search path, in which a user's query finds what it names; the schema comes first.
        data_docs: folder for the Data Docs.
        documented: how many suites they are written for at most; with more there are none.
        keys: the columns of the tables' primary keys, by which a row is named that breaks what the user expects.
        lost: gets the errors that may pass; Great Expectations turns every error into a failed expectation.
    """
    gx = suites.library()
    data_docs.mkdir(parents=True, exist_ok=True)
    # The URL is put in when a connection is made: what Great Expectations keeps, prints and renders
    # holds only the name of the variable.
    address = _url(target, path)
    secrets = {_URL: address.replace("$", r"\$")}  # it would be taken for another variable
    context = gx.get_context(mode="ephemeral", project_config=_config(data_docs), runtime_environment=secrets)
    source = context.data_sources.add_postgres(
        "target", connection_string=f"${{{_URL}}}", kwargs=_connecting(target, address, lost)
    )
    engines = [source.get_engine(), source.get_execution_engine().engine]
    answers: dict[int, Any] = {}
    try:
        for engine in engines:
            _note_losses(engine, lost)
        made = _suites(gx, source, items)
        pages = _Pages(gx, context, schema) if len(made) <= documented else None
        for suite in made:
            result = suite.batch.validate(suite.asked, result_format="COMPLETE" if suite.complete else "SUMMARY")
            for each in result.results:
                position = each.expectation_config.meta["position"]
                answers[position] = _with_keys(suite, items[position], each, keys.get(suite.table, ()))
            if pages is not None:
                pages.add(suite.asked, result)
        if pages is not None:
            pages.write()
    finally:
        for engine in engines:
            engine.dispose()
    return answers


def _with_keys(suite: _Suite, item: Question | OwnExpectation, answer: Any, key: Sequence[str]) -> Any:
    """Ask once more, now for keys, where values of columns are not what the user expects."""
    # Asked for at once, they would take a pass over the table also where there are none.
    if isinstance(item, Question) or suite.complete or not key or not answer.result.get("unexpected_count"):
        return answer
    wanted = {"result_format": "SUMMARY", "unexpected_index_column_names": list(key)}
    again = suite.batch.validate(item.built(answer.expectation_config.meta), result_format=wanted)
    return again if again.result.get("partial_unexpected_index_list") else answer


def _config(data_docs: Path) -> Any:
    from great_expectations.data_context.types import base

    place = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(data_docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    return base.DataContextConfig(
        store_backend_defaults=base.InMemoryStoreBackendDefaults(),
        data_docs_sites={_SITE: {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": place}},
        analytics_enabled=False,
        progress_bars=base.ProgressBarsConfig(globally=False),
    )


def _suites(gx: Any, source: Any, items: Sequence[Question | OwnExpectation]) -> list[_Suite]:
    """Make a suite for each table's rules, and for each file and result format of the user's."""
    groups: dict[tuple[str, str, bool], list[tuple[int, Question | OwnExpectation]]] = {}
    for position, item in enumerate(items):
        if isinstance(item, Question):
            groups.setdefault((item.rule.table, _GENERATED, True), []).append((position, item))
        else:
            groups.setdefault((item.table, item.file.stem, item.is_query), []).append((position, item))
    made: list[_Suite] = []
    batches: dict[str, Any] = {}
    taken: set[str] = set()
    for (table, origin, complete), members in groups.items():
        # The name becomes a file's, and two tables' names may differ only in what a file's cannot hold.
        name = re.sub(r"[^\w-]", "_", f"{table}-{origin}") + ("" if complete else "-columns")
        while name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        ours = isinstance(members[0][1], Question)
        # What a rule's query reads it names itself: one batch does for all tables, and each takes a while to make.
        key = "" if ours else table
        if key not in batches:
            batches[key] = _batch(source, key)
        # Added one by one, an expectation that is written twice would be asked, and answered, only once.
        asked = [_expectation(position, item) for position, item in members]
        made.append(_Suite(table, batches[key], gx.ExpectationSuite(name=name, expectations=asked), complete))
    return made


def _batch(source: Any, table: str) -> Any:
    """Return all rows of a table; where none is named, of none."""
    if table:
        asset = source.add_table_asset(table, table_name=f'"{table}"')
    else:
        asset = source.add_query_asset("the schema", query="SELECT 1")
    return asset.add_batch_definition_whole_table("all rows").get_batch()


def _expectation(position: int, item: Question | OwnExpectation) -> Any:
    from cutover.verify.expectation import ExpectRuleToHold

    meta = {"position": position}
    if isinstance(item, OwnExpectation):
        return item.built(meta)
    columns = f" of {'; '.join(item.rule.columns)}" if item.rule.columns else ""
    description = item.rule.expectation + columns
    return ExpectRuleToHold(query=item.query, place=item.place, description=description, meta=meta)


class _Pages:
    """What Data Docs are made of: suites and their results, as the context keeps them."""

    def __init__(self, gx: Any, context: Any, schema: str) -> None:
        self._context = context
        self._run = gx.RunIdentifier(run_name=re.sub(r"[^\w-]", "_", schema))

    def add(self, suite: Any, result: Any) -> None:
        """Keep a suite and its result."""
        from great_expectations.data_context.types import resource_identifiers as identifiers

        self._context.suites.add(suite)
        named = identifiers.ExpectationSuiteIdentifier(name=suite.name)
        key = identifiers.ValidationResultIdentifier(named, self._run, result.batch_id)
        result.meta |= {"run_id": self._run, "validation_time": self._run.run_time}
        self._context.validation_results_store.set(key=key, value=result)

    def write(self) -> None:
        """Write the pages."""
        self._context.build_data_docs(site_names=[_SITE])


def _url(target: Endpoint, path: str) -> str:
    # What a suite's query names without a schema is found in the run's own, and no query can write.
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
        if context.sqlalchemy_exception is not None and may_pass(context.sqlalchemy_exception):
            lost.append(context.sqlalchemy_exception)


def may_pass(error: BaseException) -> bool:
    """Whether an error of the server's, or of the connection to it, may not be there when one asks again."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    state = getattr(error.orig, "pgcode", None)
    # Errors of the client's own making have no SQLSTATE either.
    client = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
    return postgresql.transient(state) if state else client
