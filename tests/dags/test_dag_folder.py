"""What Airflow sees in the DAG folder, without a server: the DAGs, their shape, and what is wrong with a spec."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from station import ROOT, closed_window, open_window, spec, utc_now, write

from cutover.airflow.factory import GUARDED

SHAPE = {
    "check_window": {"preflight"},
    "preflight": {"plan"},
    "plan": {"backup", "chunks.extract", "validate.rows"},
    "backup": {"create_schema", "rollback_gate"},
    "create_schema": {"chunks.extract", "rollback_gate"},
    "chunks.extract": {"chunks.transform"},
    "chunks.transform": {"chunks.load"},
    "chunks.load": {"finish_schema", "rollback_gate"},
    "finish_schema": {"validate.rows", "validate.views", "validate.expectations", "rollback_gate"},
    "validate.rows": {"upgrade_schema", "rollback_gate"},
    "validate.views": {"upgrade_schema", "rollback_gate"},
    "validate.expectations": {"upgrade_schema", "rollback_gate"},
    "upgrade_schema": {"cutover", "rollback_gate"},
    "cutover": {"validate_cutover", "rollback_gate"},
    "validate_cutover": {"complete", "rollback_gate"},
    "complete": {"report", "end"},
    "rollback_gate": {"rollback"},
    "rollback": {"validate_rollback"},
    "validate_rollback": {"report"},
    "report": {"end"},
    "end": set(),
}

# The DAGs that every migration has where it says nothing else: each its name and one of these.
KINDS = ("", "__verify", "__validate", "__rollback")
BACK = {
    "begin": {"stop_applications"},
    "stop_applications": {"go_back"},
    "go_back": {"validate_rollback"},
    "validate_rollback": {"restart_applications"},
    "restart_applications": {"document", "end"},
    "document": {"end"},
    "end": set(),
}
# Each task that is told which run it is about follows the one that found it out.
TOLD = {"begin", "stop_applications", "go_back", "validate_rollback", "restart_applications", "document"}


def parse(migrations: Path) -> DagBag:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUTOVER_MIGRATIONS", str(migrations))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        return DagBag(dag_folder=str(ROOT / "dags"))


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("migrations")
    wrong = spec("crooked")
    wrong["strategy"]["types"]["data"]["bulk"] |= {"batchsize": 10}
    dead = spec("never", closed_window(utc_now()), schedule="0 0 * * *")
    narrow = spec("narrow")
    narrow["schema"] = {"database": {"source": {"pool": {"max": 3}}, "target": {"pool": {"max": 2}}}}
    write(folder, [spec("museum", open_window(utc_now())), spec("library", retries=2), narrow, wrong, dead])
    (folder / "notes_only").mkdir()
    return folder


@pytest.fixture(scope="module")
def bag(migrations: Path) -> DagBag:
    return parse(migrations)


def test_one_dag_for_each_folder_and_a_broken_one_leaves_the_others_alone(bag: DagBag) -> None:
    assert bag.import_errors == {}
    migrations = [f"{dag}{kind}" for dag in ("library", "museum", "narrow") for kind in KINDS]
    assert sorted(bag.dags) == sorted(["crooked__broken", *migrations, "never__broken"])


def test_the_shipped_migration_is_a_dag() -> None:
    bag = parse(ROOT / "include" / "migrations")
    assert bag.import_errors == {}
    assert "camera_counting" in bag.dags
    assert not [name for name in bag.dags if name.endswith("__broken")]


def test_a_missing_folder_of_migrations_is_no_error(tmp_path: Path) -> None:
    bag = parse(tmp_path / "nowhere")
    assert (bag.import_errors, bag.dags) == ({}, {})


@pytest.mark.parametrize("name", ["museum", "library"])
def test_tasks_and_their_order(bag: DagBag, name: str) -> None:
    dag = bag.dags[name]
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == SHAPE


def test_a_small_pool_limits_tasks_and_proves_one_thing_after_the_other(bag: DagBag) -> None:
    dag = bag.dags["narrow"]
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == SHAPE | {
        "finish_schema": {"validate.rows", "rollback_gate"},
        "validate.rows": {"validate.views"},
        "validate.views": {"validate.expectations"},
    }
    at_once = {task.task_id: task.max_active_tis_per_dagrun for task in dag.tasks}
    assert [at_once[name] for name in ("chunks.extract", "chunks.load", "validate.rows")] == [3, 2, 2]


@pytest.mark.parametrize(
    ("strategy", "other", "task", "interval"),
    [("streaming", "moving__stream", "stream", 60), ("incremental", "moving__incremental", "sync", 5)],
)
def test_a_migration_that_follows_its_source_catches_up_and_has_a_dag_that_goes_on(
    tmp_path: Path, strategy: str, other: str, task: str, interval: int
) -> None:
    write(tmp_path, [spec("moving", strategy=strategy)])
    bag = parse(tmp_path)
    assert sorted(bag.dags) == sorted([*(f"moving{kind}" for kind in KINDS), other])
    shape = {task.task_id: task.downstream_task_ids for task in bag.dags["moving"].tasks}
    assert shape == SHAPE | {
        "chunks.load": {"catch_up", "rollback_gate"},
        "catch_up": {"finish_schema", "rollback_gate"},
    }
    assert [task.task_id for task in bag.dags[other].tasks] == [task]
    assert bag.dags[other].schedule == timedelta(seconds=interval)


def test_rows_that_stay_are_carried_over_before_the_cutover(tmp_path: Path) -> None:
    staying = spec("staying")
    staying["data"] = {"loading": {"strategy": {"upsert": {"enabled": True}}}}
    write(tmp_path, [staying])
    dag = parse(tmp_path).dags["staying"]
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == SHAPE | {
        "upgrade_schema": {"carry_over", "rollback_gate"},
        "carry_over": {"cutover", "rollback_gate"},
    }
    assert "the rows that the live tables hold stay" in str(dag.doc_md)


def validating(name: str, **post: bool) -> dict[str, Any]:
    asked = spec(name)
    validation: dict[str, Any] = {"postMigration": post, "queries": {"all": "SELECT 1"}}
    if post.get("applicationValidation"):
        validation["endpoints"] = {"home": {"url": "http://app.example/"}}
    asked["schema"] = {"validation": validation}
    return asked


def test_what_the_application_asks_is_tried_where_the_spec_says_so(tmp_path: Path) -> None:
    both = validating("both", performanceValidation=True, applicationValidation=True)
    unproved = validating("unproved", performanceValidation=True, applicationValidation=True)
    unproved["strategy"]["execution"] = {"modes": {"safe": {"validateAfterMigration": False}}}
    write(tmp_path, [both, validating("fast", performanceValidation=True), unproved])
    bag = parse(tmp_path)
    assert bag.import_errors == {}
    shapes = {name: {task.task_id: task.downstream_task_ids for task in dag.tasks} for name, dag in bag.dags.items()}
    proofs = ("validate.rows", "validate.views", "validate.expectations")
    last = {"upgrade_schema", "rollback_gate"}
    assert shapes["both"] == SHAPE | {key: {"validate.application"} for key in proofs} | {
        "validate.application": {"validate.performance"},
        "validate.performance": last,
        "validate_cutover": {"validate_endpoints", "rollback_gate"},
        "validate_endpoints": {"complete", "rollback_gate"},
    }
    assert shapes["fast"] == SHAPE | {key: {"validate.performance"} for key in proofs} | {"validate.performance": last}
    assert shapes["unproved"] == SHAPE


def test_a_small_pool_tries_after_everything_else(tmp_path: Path) -> None:
    narrow = validating("narrow", performanceValidation=True, applicationValidation=True)
    narrow["schema"]["database"] = {"source": {"pool": {"max": 3}}, "target": {"pool": {"max": 2}}}
    write(tmp_path, [narrow])
    shape = {task.task_id: task.downstream_task_ids for task in parse(tmp_path).dags["narrow"].tasks}
    assert [shape[f"validate.{name}"] for name in ("rows", "views", "expectations", "application")] == [
        {f"validate.{name}"} for name in ("views", "expectations", "application", "performance")
    ]


def test_every_task_that_proves_leads_to_the_way_back_where_it_fails(tmp_path: Path) -> None:
    write(tmp_path, [validating("both", performanceValidation=True, applicationValidation=True)])
    tasks = {task.task_id for task in parse(tmp_path).dags["both"].tasks}
    assert {"validate.application", "validate.performance", "validate_endpoints"} <= tasks & set(GUARDED)


def taken_back(name: str, **triggers: Any) -> dict[str, Any]:
    return spec(name) | {"rollback": {"triggers": triggers}}


def test_who_takes_a_run_back_is_the_specs_to_say(tmp_path: Path) -> None:
    off, on = {"enabled": False}, {"enabled": True}
    write(tmp_path, [taken_back("final", manual=off), taken_back("asked"), taken_back("judged", scheduled=on)])
    bag = parse(tmp_path)
    assert bag.import_errors == {}
    assert {name for name in bag.dags if "__rollback" in name} == {
        "asked__rollback",
        "judged__rollback",
        "judged__rollback_check",
    }
    assert bag.dags["judged__rollback"].schedule is None
    assert bag.dags["judged__rollback_check"].schedule == "0 3 * * *"
    assert {bag.dags[name].catchup for name in ("judged__rollback", "judged__rollback_check")} == {False}


@pytest.mark.parametrize(("kind", "first"), [("rollback", "ask"), ("rollback_check", "judge")])
def test_a_run_is_taken_back_once_that_is_approved_where_it_has_to_be(tmp_path: Path, kind: str, first: str) -> None:
    write(
        tmp_path,
        [
            taken_back("free", scheduled={"enabled": True}),
            taken_back("kept", manual={"approvalRequired": True}, scheduled={"enabled": True}),
        ],
    )
    bag = parse(tmp_path)
    free, kept = bag.dags[f"free__{kind}"], bag.dags[f"kept__{kind}"]
    assert {task.task_id: task.downstream_task_ids for task in free.tasks} == BACK | {first: TOLD}
    assert {task.task_id: task.downstream_task_ids for task in kept.tasks} == BACK | {
        first: TOLD | {"approve", "approved"},
        "approve": {"approved"},
        "approved": {"begin"},
    }
    assert "Somebody else approves first" in str(kept.doc_md)
    assert "Somebody else approves first" not in str(free.doc_md)


def test_a_rollback_is_asked_for_by_a_form(bag: DagBag) -> None:
    given = bag.dags["museum__rollback"].params
    assert list(given) == ["reason", "run", "moment", "strategy"]
    for name in given:
        assert given.get_param(name).description, name
    assert given.get_param("strategy").schema["enum"] == [None, "ddl_rollback"]
    for name, bad in (("reason", "no"), ("reason", None), ("strategy", "snapshot_restore"), ("moment", 7)):
        with pytest.raises(ValueError, match="Failed validating"):
            given.get_param(name).resolve(bad)


def test_end_is_the_only_leaf_so_that_a_rollback_never_turns_a_run_green(bag: DagBag) -> None:
    for name in ("museum", "museum__rollback"):
        assert [task.task_id for task in bag.dags[name].leaves] == ["end"]


def test_retries_are_the_specs(bag: DagBag) -> None:
    assert {task.task_id: task.retries for task in bag.dags["library"].tasks if task.task_id != "rollback_gate"} == {
        name: 2 for name in SHAPE if name != "rollback_gate"
    }
    assert {task.retries for task in bag.dags["museum"].tasks} == {0}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("crooked", ["migration.yaml:", "unknown key 'batchsize'; did you mean 'batchSize'?"]),
        ("never", ["'0 0 * * *' never falls into the maintenance window"]),
    ],
)
def test_a_broken_spec_is_told_in_the_documentation_and_by_a_run(bag: DagBag, name: str, words: list[str]) -> None:
    dag = bag.dags[f"{name}__broken"]
    (task,) = dag.tasks
    with pytest.raises(AirflowFailException) as caught:
        task.python_callable()  # type: ignore[attr-defined]
    for word in words:
        assert word in str(dag.doc_md)
        assert word in str(caught.value)


def test_run_parameters_make_a_form(bag: DagBag) -> None:
    given = bag.dags["museum"].params
    assert {name: given[name] for name in given} == {
        "mode": "safe",
        "ignore_window": False,
        "tables": [],
        "max_errors": None,
        "workers": None,
        "replace_target": False,
        "allow_losses": False,
        "allow_source_changes": False,
        "row_limit": None,
    }
    for name in given:
        assert given.get_param(name).description, name
    assert given.get_param("mode").schema["enum"] == ["safe", "dry_run"]
    for name, bad in (
        ("mode", "production"),
        ("workers", 0),
        ("max_errors", -1),
        ("row_limit", 0),
        ("tables", "users"),
    ):
        with pytest.raises(ValueError, match="Failed validating"):
            given.get_param(name).resolve(bad)


def test_the_documentation_says_what_the_migration_does(bag: DagBag) -> None:
    text = str(bag.dags["museum"].doc_md)
    for words in (
        "# museum",
        "The museum's visitors, museum",
        "schema `public`",
        "needs `ignore_window`",
        "Renames in `people`: `full_name` to `name`.",
        "Maps `people.status`: A to active, I to inactive.",
    ):
        assert words in text
    assert "Runs only on" not in str(bag.dags["library"].doc_md), "it has no window"


def test_the_camera_migration_starts_on_sunday_at_two_and_says_so() -> None:
    dag: DAG = parse(ROOT / "include" / "migrations").dags["camera_counting"]
    assert dag.timetable.summary == "0 2 * * 0"
    assert "Starts at `0 2 * * 0` (UTC)." in str(dag.doc_md)
    assert "Runs only on saturday, sunday, 02:00 to 06:00 UTC" in str(dag.doc_md)
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_parsing_imports_nothing_heavy_and_connects_to_nothing(migrations: Path) -> None:
    code = """
import json, runpy, socket, sys
def refuse(*_):
    raise AssertionError("a connection was tried")
socket.socket.connect = refuse
runpy.run_path(sys.argv[1])
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "dags" / "migrations.py")],
        env=os.environ | {"CUTOVER_MIGRATIONS": str(migrations)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    heavy = {"pyarrow", "pandas", "great_expectations", "connectorx", "adbc_driver_postgresql", "duckdb", "MySQLdb"}
    assert loaded & heavy == set()
