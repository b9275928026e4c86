"""The target's speed is compared with the source's, and what is slower is told."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from helpers import SECRET, account, begin, endpoint, finished, mysql, postgres, source_database, spec, target_database

from cutover import render, report
from cutover.errors import VerificationError
from cutover.local.servers import Server, mariadb
from cutover.run import run_migration
from cutover.steps.context import Run
from cutover.steps.performance import validate_performance
from cutover.verify.performance.slowest import slowest

ROWS = 50_000
SOURCE = (
    "CREATE TABLE visits (id INT PRIMARY KEY, person INT NOT NULL, place VARCHAR(40) NOT NULL, day DATE NOT NULL, "
    "KEY visits_person (person), KEY visits_place (place), KEY visits_day (day))",
    "INSERT INTO visits SELECT seq, seq MOD 5000, CONCAT('Place ', seq MOD 5000), '2024-01-01' + INTERVAL seq MOD 900 "
    f"DAY FROM seq_1_to_{ROWS}",
    "ANALYZE TABLE visits",
)
BY_PERSON = {"of one person": "SELECT id, place FROM visits WHERE person = 7"}
QUERY_ONLY = {"indexPerformance": False, "storagePerformance": False, "connectionPerformance": False}


def measuring(queries: Mapping[str, str], **rules: Any) -> dict[str, Any]:
    """The part of a spec that has queries measured."""
    validation = {"postMigration": {"performanceValidation": True}, "queries": dict(queries)}
    return {"validation": validation | {"rules": {"performance": rules}}}


def asking(run: Run, queries: Mapping[str, str], **rules: Any) -> Run:
    """The run, whose spec asks for other queries."""
    return replace(run, spec=spec(schema=measuring(queries, **rules)))


def details(run: Run) -> dict[str, Any]:
    event = run.ledger.last(run.id, "validated")
    assert event is not None
    assert event.detail["kind"] == "performance"
    return dict(event.detail["details"])


@pytest.fixture(scope="module")
def big(
    mysql_server: Server, pg_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Run, Server]]:
    """A run whose shadow schema is whole."""
    with (
        pytest.MonkeyPatch.context() as patch,
        source_database(mysql_server) as source,
        target_database(pg_server) as target,
    ):
        patch.setenv("CUTOVER_HOME", str(tmp_path_factory.mktemp("home")))
        mysql(source, *SOURCE)
        yield finished(begin(source, target)), target


Big = tuple[Run, Server]


def test_equal_sides_pass_with_their_figures(big: Big) -> None:
    run, _ = big
    run = asking(run, BY_PERSON, runs=5, threshold=100.0)
    outcome = validate_performance(run)
    assert (outcome.status, outcome.errors) == ("passed", ())
    assert outcome.warnings == (
        "table visits: of the queries that were planned (1) none uses visits_day, visits_place",
    )
    (query,) = details(run)["queries"]
    assert (query["source_rows"], query["target_rows"]) == (10, 10)
    assert query["times"]["source"] > 0
    assert query["times"]["target"] > 0
    assert query["plan"] == "Bitmap Heap Scan on visits > Bitmap Index Scan on visits_person"
    (size,) = details(run)["storage"]
    assert size["table"] == "visits"
    assert min(size["source"], size["source_indexes"], size["target"], size["target_indexes"]) > 500_000
    assert set(details(run)["connection"]) == {"source", "target"}


@pytest.mark.parametrize(("on_degradation", "fails"), [("warn", False), ("fail", True)])
def test_an_index_that_is_missing_is_found_by_the_plans(big: Big, on_degradation: str, fails: bool) -> None:
    run, target = big
    run = asking(run, BY_PERSON, onDegradation=on_degradation, threshold=1000.0)
    postgres(target, f'DROP INDEX "{run.shadow}".visits_person')
    try:
        if fails:
            with pytest.raises(VerificationError) as refused:
                validate_performance(run)
            found = refused.value.differences
        else:
            found = validate_performance(run).warnings
    finally:
        postgres(target, f'CREATE INDEX visits_person ON "{run.shadow}".visits (person)')
    assert (
        "query of one person: reads all 50,000 rows of visits, and by index visits_person in the source, which has "
        'none like it here; its condition is on person. CREATE INDEX ON "visits" ("person")'
    ) in found
    event = run.ledger.last(run.id, "validated")
    assert event is not None
    assert (
        "index visits.visits_person: the target has none like it (person); nothing in the plan says why"
        in (event.detail["warnings"])
    )
    assert event.detail["status"] == ("failed" if fails else "passed")


def test_what_changes_rows_is_planned_and_not_run(big: Big) -> None:
    run, _ = big
    queries = {
        "moved": "UPDATE visits SET day = '2030-01-01' WHERE place = 'Place 7'",
        "gone": "DELETE FROM visits WHERE day = '2024-02-01'",
        "here": "INSERT INTO visits VALUES (1, 1, 'x', '2024-01-01') ON DUPLICATE KEY UPDATE day = VALUES(day)",
        "there": "REPLACE INTO visits VALUES (1, 1, 'x', '2024-01-01')",
        "locks": "SELECT id FROM visits WHERE person = 7 FOR UPDATE",
    }
    rules = {"queryPerformance": False, "storagePerformance": False, "connectionPerformance": False}
    outcome = validate_performance(asking(run, queries, **rules))
    assert outcome.warnings == tuple(
        f"query {name}: was not compared: it changes or locks rows, and is never run" for name in queries
    )
    fewer = {name: queries[name] for name in ("moved", "here")}
    unused = "table visits: of the queries that were planned (2) none uses visits_day, visits_person"
    assert validate_performance(asking(run, fewer, **rules)).warnings[2:] == (unused,)


def test_an_index_that_a_condition_cannot_use_is_told(big: Big) -> None:
    run, target = big
    run = asking(run, {"by place": "SELECT id FROM visits WHERE place = 'Place 7'"}, threshold=1000.0)
    postgres(
        target,
        f'DROP INDEX "{run.shadow}".visits_place',
        f'CREATE INDEX visits_place ON "{run.shadow}".visits (lower(place))',
        f'ANALYZE "{run.shadow}".visits',
    )
    try:
        found = validate_performance(run).warnings
    finally:
        postgres(
            target,
            f'DROP INDEX "{run.shadow}".visits_place',
            f'CREATE INDEX visits_place ON "{run.shadow}".visits (place)',
        )
    assert any(
        line.startswith(
            "query by place: reads all 50,000 rows of visits, and by index visits_place in the source; index "
            "visits_place is not used; its condition is on place: "
        )
        for line in found
    )


@pytest.fixture
def slow(big: Big) -> Iterator[Run]:
    """The table of the target lies behind a view that takes its time."""
    run, target = big
    postgres(
        target,
        f'ALTER TABLE "{run.shadow}".visits RENAME TO visits_kept',
        f'CREATE VIEW "{run.shadow}".visits AS SELECT v.* FROM "{run.shadow}".visits_kept v, '
        "(SELECT pg_sleep(0.2)) AS waited",
    )
    yield run
    postgres(target, f'DROP VIEW "{run.shadow}".visits', f'ALTER TABLE "{run.shadow}".visits_kept RENAME TO visits')


def test_a_query_that_became_slower_warns(slow: Run) -> None:
    run = asking(slow, BY_PERSON, **QUERY_ONLY, runs=1)
    outcome = validate_performance(run)
    assert outcome.errors == ()
    (warning,) = outcome.warnings
    assert re.match(r"query of one person: takes [\d,.]+ ms, in the source [\d,.]+ ms; its plan: ", warning)


def test_a_query_that_became_slower_fails_where_the_spec_says_so(slow: Run) -> None:
    run = asking(slow, BY_PERSON, **QUERY_ONLY, runs=1, onDegradation="fail")
    with pytest.raises(VerificationError, match=r"the target is slower than the source:\nquery of one person: takes "):
        validate_performance(run)
    folded = report.build(run.ledger, run.id)
    assert folded.validation["performance"]["status"] == "failed"
    assert len(folded.validation["performance"]["errors"]) == 1
    written = render.markdown(folded)
    assert "| performance | failed | 1 | 0 |" in written
    assert "| of one person | " in written
    assert "## Errors: performance" in written


def test_a_threshold_that_is_wide_enough_lets_it_pass(slow: Run) -> None:
    run = asking(slow, BY_PERSON, **QUERY_ONLY, runs=1, onDegradation="fail", threshold=1_000_000.0)
    assert validate_performance(run).warnings == ()


def test_a_target_that_takes_longer_than_the_timeout_is_degraded(slow: Run) -> None:
    run = asking(slow, BY_PERSON, **QUERY_ONLY, timeout="100ms", onDegradation="fail", threshold=1_000_000.0)
    with pytest.raises(
        VerificationError, match=r"the target did not answer it: it took longer than rules\.performance\.timeout"
    ):
        validate_performance(run)


def test_what_cannot_be_compared_is_told_by_name(big: Big) -> None:
    run, _ = big
    queries = {
        "changes": "UPDATE visits SET place = 'x' WHERE id = 1",
        "locks": "SELECT id FROM visits WHERE id = 1 FOR UPDATE",
        "unknown": "SELECT id, UUID_SHORT() FROM visits",
        "broken": "SELECT FROM WHERE",
        "slow there": "SELECT SLEEP(2) FROM visits WHERE id = 1",
    }
    outcome = validate_performance(asking(run, queries, **QUERY_ONLY, timeout="500ms"))
    assert outcome.errors == ()
    assert [line.split(" was not compared: ")[0] for line in outcome.warnings] == [
        f"query {name}:" for name in ("changes", "locks", "unknown", "broken", "slow there")
    ]
    assert "it changes or locks rows, and is never run" in outcome.warnings[0]
    assert "the target takes no translation of it: UUID_SHORT()" in outcome.warnings[2]
    assert "SLEEP()" in outcome.warnings[4]


def test_rows_of_a_large_answer_are_not_kept(big: Big) -> None:
    run, _ = big
    wide = "SELECT id, REPEAT(place, 40) AS much FROM visits"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = validate_performance(asking(run, {"wide": wide}, **QUERY_ONLY, runs=1, threshold=1000.0))
    # Each side gives 20 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024
    (query,) = details(run)["queries"]
    assert (outcome.warnings, query["source_rows"], query["target_rows"]) == ((), ROWS, ROWS)


def test_a_source_that_takes_longer_than_the_timeout_is_told(big: Big) -> None:
    run, _ = big
    endless = "SELECT COUNT(*) FROM visits a JOIN visits b ON a.id <> b.id JOIN visits c ON c.id <> a.id"
    outcome = validate_performance(asking(run, {"endless": endless}, **QUERY_ONLY, timeout="200ms"))
    assert outcome.warnings == (
        "query endless: was not compared: the source did not answer it: it took longer than rules.performance.timeout",
    )


def test_other_rows_are_told_beside_the_times(big: Big) -> None:
    run, _ = big
    queries = {"caseless": "SELECT id FROM visits WHERE place = 'PLACE 7'"}
    (warning,) = validate_performance(asking(run, queries, **QUERY_ONLY, threshold=1000.0)).warnings
    assert warning == "query caseless: gives 0 rows, in the source 10"


def test_each_switch_does_what_it_says(big: Big) -> None:
    run, _ = big
    switches = {
        "queryPerformance": "queries",
        "storagePerformance": "storage",
        "connectionPerformance": "connection",
    }
    for on, key in switches.items():
        queries = BY_PERSON if on == "queryPerformance" else {}
        run = asking(run, queries, **({"indexPerformance": False} | {name: name == on for name in switches}))
        validate_performance(run)
        assert set(details(run)) == {key}


def test_nothing_is_measured_where_the_run_validates_nothing(big: Big) -> None:
    run, _ = big
    safe = {"execution": {"modes": {"safe": {"validateAfterMigration": False}}}}
    run = replace(run, spec=spec(schema=measuring(BY_PERSON), strategy=safe))
    before = len(run.ledger.events(run.id, "validated"))
    assert validate_performance(run).warnings == ()
    assert len(run.ledger.events(run.id, "validated")) == before


def test_a_whole_run_measures_and_the_live_schema_can_be_measured_again(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    run = begin(source_db, target_db, spec(schema=measuring(BY_PERSON, threshold=1000.0)))
    told = run_migration(run)
    assert told.status == report.COMPLETED
    assert told.validation["performance"]["status"] == "passed"
    assert "validate_performance" in [step["step"] for step in told.steps]
    outcome = validate_performance(run, schema=run.live)
    assert outcome.warnings == (
        "table visits: of the queries that were planned (1) none uses visits_day, visits_place",
    )
    event = run.ledger.last(run.id, "validated")
    assert event is not None
    assert event.detail["schema"] == "public"
    assert report.build(run.ledger, run.id).status == report.COMPLETED


def test_a_degradation_that_fails_leaves_the_target_as_it_was(source_db: Server, target_db: Server) -> None:
    mysql(source_db, *SOURCE)
    settings = {"indexes": {"preserveIndexes": False}}
    part = measuring(BY_PERSON, threshold=1000.0, onDegradation="fail") | {"settings": settings}
    run = begin(source_db, target_db, spec(schema=part))
    told = run_migration(run)
    assert told.status == report.ROLLED_BACK
    assert told.failed_step == "validate_performance"
    assert "query of one person: reads all 50,000 rows of visits" in (told.cause or "")
    assert told.validation["performance"]["warnings"] == [
        f"index visits.visits_{column}: the target has none like it ({column}); stays behind: the spec says so"
        for column in ("day", "person", "place")
    ]


def test_the_slowest_of_a_source_without_digest_are_refused_by_name(big: Big) -> None:
    run, _ = big
    outcome = validate_performance(asking(run, {}, **QUERY_ONLY, slowest=5))
    assert outcome.warnings == ("the source's slowest queries are not known: its performance_schema is off",)


def test_the_slowest_of_the_source_are_named_where_their_values_are_not_kept(server_folder: Path) -> None:
    folder = server_folder / "digests"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    with mariadb(folder, options=["--performance-schema=ON"]) as server:
        mysql(
            server,
            "CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(20))",
            "SELECT name FROM things WHERE id = 2",
            "SELECT COUNT(*) FROM things",
            "SELECT /*!40001 SQL_NO_CACHE */ * FROM `things`",
            "SELECT /*!40001 SQL_NO_CACHE */ `id`, `name` FROM `things`",
            "SELECT id FROM things WHERE id IN (1, 2, 3)",
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'things'",
            "SELECT 1 FROM DUAL",
        )
        source = endpoint(server)
        found = slowest(source, ["Things"], 100, datetime(2100, 1, 1, tzinfo=UTC))
        first = slowest(source, ["things"], 1, datetime(2100, 1, 1, tzinfo=UTC))
        earlier = slowest(source, ["things"], 1, datetime(2000, 1, 1, tzinfo=UTC))
        with account(server, "GRANT SELECT ON camera_counting.* TO {account}") as name:
            unseen = slowest(replace(source, user=name, password=SECRET), ["things"], 1, datetime.now(UTC))
    (text,) = found.queries.values()
    assert text == "SELECT COUNT ( * ) FROM `things`"
    *kept, few = found.warnings
    digests = ("SELECT ID FROM `things` WHERE ID IN (...)", "SELECT NAME FROM `things` WHERE ID = ?")
    told = r"query slowest [123] \([\d.]+ ms on average\) cannot be run: the source keeps none of its values: "
    assert sorted(re.sub(told, "", line) for line in kept) == sorted(digests)
    assert few == "the source's digest holds 3 SELECTs of these tables from before the run, and not 100"
    assert len(first.queries) + len(first.warnings) == 1
    assert earlier.queries == {}
    assert earlier.warnings == ("the source's digest holds 0 SELECTs of these tables from before the run, and not 1",)
    assert unseen.queries == {}
    assert len(unseen.warnings) == 1
    assert unseen.warnings[0].startswith("the source's slowest queries are not known: ")
