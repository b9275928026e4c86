"""How risky a run is held to be, by the rules of docs/assess.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cutover.assess.facts import (
    ALTERED,
    FAILS,
    REFUSED,
    STAYS,
    Facts,
    Finding,
    Impact,
    Limits,
    Room,
    Seen,
    Server,
)
from cutover.assess.outcomes import failing, memory, outcomes
from cutover.assess.risks import Risk, risks
from cutover.plan import build_plan
from cutover.schema.model import Column, Index, Schema, Statistics, Table
from cutover.schema.target import Loss, Note
from cutover.spec import MigrationSpec
from cutover.verify.outcome import CONSTRAINT, DATA

SPEC = MigrationSpec.model_validate({"name": "shop", "source": {"env": "S"}, "target": {"env": "T"}})
GOODS = Table(
    "goods",
    (Column("id", "int", False), Column("word", "varchar(9)", True)),
    ("id",),
    (Index.over("by_word", ("word",)),),
    statistics=Statistics(1000, 100_000),
)
EMPTY = Schema("public", ())
LIMITS = Limits(100, 0.01, 7200.0, 300.0, True, True, 10_000, 2, False)
SEEN = (Seen("goods", 1000),)


def facts(old: Schema | None = None, live: Schema = EMPTY, **changes: Any) -> Facts:
    """A run that nothing is wrong with, and what is changed of it."""
    plan = build_plan(SPEC, old or Schema("old", (GOODS,)), live)
    plan = replace(plan, **changes.pop("plan", {}))
    limits = replace(LIMITS, **changes.pop("limits", {}))
    return replace(Facts(plan, limits, looked=(DATA, CONSTRAINT), seen=SEEN), **changes)


def finding(fate: str, rows: int = 3, kind: str = DATA, certain: bool = True) -> Finding:
    return Finding(kind, "goods", "column goods.word", "are odd", rows, fate, ('{"id": 1}',), certain)


def found(*findings: Finding, refused: int = 0, largest: int = 0) -> tuple[Seen, ...]:
    return (Seen("goods", 1000, refused, findings, (), (("word", largest),)),)


def judged(name: str, given: Facts) -> Risk:
    return next(risk for risk in risks(given) if risk.name == name)


def of_size(rows: int, size: int) -> Schema:
    return Schema("old", (replace(GOODS, statistics=Statistics(rows, size)),))


LIVE = Schema("public", (Table("goods", (Column("id", "integer", False),), statistics=Statistics(500, 1 << 20)),))
UNKEYED = Schema("old", (replace(GOODS, primary_key=()),))
LOSS = {"losses": (Loss("view v", "SLEEP()"),)}


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        (facts(), "low", "1,000 rows of 1 tables were looked at"),
        (facts(plan=LOSS), "high", "1 objects do not arrive as they are: view v"),
        (facts(seen=found(finding(REFUSED))), "high", "column goods.word: 3 rows are odd"),
        (facts(seen=found(finding(FAILS))), "high", "column goods.word: 3 rows are odd"),
        (facts(seen=found(finding(ALTERED))), "medium", "column goods.word: 3 rows are odd"),
        (facts(seen=found(finding(STAYS))), "low", "1,000 rows of 1 tables were looked at"),
        (
            facts(seen=found(largest=2**30)),
            "high",
            "column goods.word: a value of 1,073,741,824 bytes is more than PostgreSQL holds",
        ),
        (facts(UNKEYED), "medium", "1 tables have no primary key to tell their rows by: goods"),
        (facts(looked=(), seen=()), "medium", "the values of about 1,000 rows were not looked at: dataAnalysis is off"),
    ],
)
def test_data_loss(given: Facts, level: str, reason: str) -> None:
    risk = judged("data loss", given)
    assert (risk.level, risk.reasons[0]) == (level, reason)


def test_what_the_spec_leaves_out_is_medium() -> None:
    spec = SPEC.model_validate(
        {
            "name": "shop",
            "source": {"env": "S"},
            "target": {"env": "T"},
            "data": {"extraction": {"filtering": {"rowFilters": {"goods": "id > 5"}}}},
        }
    )
    given = replace(facts(), plan=build_plan(spec, Schema("old", (GOODS,)), EMPTY))
    risk = judged("data loss", given)
    assert (risk.level, risk.reasons[0]) == ("medium", "the spec leaves out or changes rows of 1 tables: goods")


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        (facts(), "low", "nobody may write to the source for about 1 s for 1,000 rows"),
        (
            facts(of_size(10**9, 10**9)),
            "medium",
            "nobody may write to the source for about 4,000 s for 1,000,000,000 rows, over half of the 7,200 s there "
            "are",
        ),
        (
            facts(of_size(10**9, 10**9), limits={"seconds": None}),
            "medium",
            "nobody may write to the source for about 4,000 s for 1,000,000,000 rows, more than maxDowntime 300 s",
        ),
        (
            facts(of_size(2 * 10**9, 10**9)),
            "high",
            "the run takes about 8,000 s for 2,000,000,000 rows, more than the 7,200 s that window and "
            "maxDuration leave",
        ),
        (
            facts(of_size(10**9, 10**9), plan={"checkpoint": "checkpoints"}),
            "low",
            "the target follows the source, which may be written to all along; the run takes about 4,000 s for "
            "1,000,000,000 rows",
        ),
    ],
)
def test_downtime(given: Facts, level: str, reason: str) -> None:
    risk = judged("downtime", given)
    assert (risk.level, risk.reasons[0]) == (level, reason)
    assert "the live tables are locked for the exchange alone, 300 s at the most (maxDowntime)" in risk.reasons


def test_sessions_of_the_target_are_told() -> None:
    risk = judged("downtime", facts(impact=Impact(sessions=(("app", 4), ("other", 2)))))
    assert "6 sessions are connected to the target, and wait for that long" in risk.reasons


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        (facts(), "low", "1 indexes and 1 primary keys are built before the cutover, and statistics are gathered"),
        (facts(plan={"losses": (Loss("index goods.x", "no"),)}), "high", "1 indexes do not arrive: index goods.x"),
        (
            facts(plan={"notes": (Note("index goods.x", "stays behind: the spec says so", behind=True),)}),
            "high",
            "1 indexes do not arrive: index goods.x",
        ),
        (
            facts(plan={"notes": (Note("index goods.x", "is not built: by_word serves as well", behind=True),)}),
            "low",
            "1 indexes and 1 primary keys are built before the cutover, and statistics are gathered",
        ),
        (facts(plan=LOSS), "medium", "1 views or programs are left out: view v"),
        (facts(source=Server(tight=("only 2 connections are free",))), "medium", "only 2 connections are free"),
        (
            facts(room=Room(2**40, 2**20)),
            "high",
            "the workers may take 600 MB of the machine's 1 MB",
        ),
    ],
)
def test_performance(given: Facts, level: str, reason: str) -> None:
    risk = judged("performance", given)
    assert (risk.level, risk.reasons[0]) == (level, reason)


def test_keys_that_the_spec_leaves_behind_are_high() -> None:
    plan = facts().plan
    tables = tuple(replace(table, constrained=False) for table in plan.tables)
    risk = judged("performance", facts(plan={"tables": tables}))
    assert (risk.level, risk.reasons[0]) == (
        "high",
        "1 tables arrive without keys, because the spec says so: goods",
    )


@pytest.mark.parametrize(
    ("given", "level", "reason"),
    [
        (
            facts(),
            "low",
            "0 live tables are replaced; the way back is one exchange, without data being copied",
        ),
        (
            facts(live=LIVE),
            "low",
            "1 live tables of about 500 rows are kept; the way back is one exchange, without data being copied",
        ),
        (
            facts(live=LIVE, limits={"backup": False}),
            "high",
            "1 live tables of about 500 rows are replaced, and backupBeforeMigration is off: the exchange alone "
            "leads back",
        ),
        (facts(limits={"backup": False}), "medium", "backupBeforeMigration is off; 0 live tables are replaced"),
        (
            facts(limits={"goes_back": False}),
            "medium",
            "a run that fails does not take itself back: cutover rollback does, by hand",
        ),
        (
            facts(live=Schema("public", (replace(LIVE.tables[0], statistics=Statistics(500, 20 << 30)),))),
            "medium",
            "the backup is of 20 GB",
        ),
        (
            facts(plan={"checkpoint": "checkpoints"}),
            "medium",
            "what the application writes to the target after the cutover does not go back with the tables",
        ),
    ],
)
def test_rollback(given: Facts, level: str, reason: str) -> None:
    risk = judged("rollback", given)
    assert (risk.level, risk.reasons[0]) == (level, reason)


def test_a_row_counts_once_however_much_is_wrong_with_it() -> None:
    aside = finding(REFUSED, 60, CONSTRAINT)
    given = facts(seen=found(finding(REFUSED, 90), finding(REFUSED, 80), aside, refused=95), limits={"threshold": 1.0})
    assert failing(given, (DATA, CONSTRAINT)) == []
    given = replace(given, limits=replace(given.limits, max_errors=94))
    (line,) = failing(given, (DATA,))
    assert line.startswith("at least 95 rows would be refused or set aside (goods 95), more than maxErrors 94: mend")
    assert failing(given, (CONSTRAINT,)) == []


def test_what_may_not_happen_fails_nothing() -> None:
    given = facts(seen=found(finding(REFUSED, 900, CONSTRAINT, certain=False)))
    assert failing(given, (DATA, CONSTRAINT)) == []
    (outcome,) = outcomes(given, (CONSTRAINT,))
    assert (outcome.status, len(outcome.warnings)) == ("passed", 1)


def test_large_values_are_told_by_what_holds_them() -> None:
    data, performance = outcomes(facts(seen=found(largest=2**30)), (DATA, "performance"))
    assert data.errors == (
        "column goods.word: a value has 1,073,741,824 bytes, and a field of PostgreSQL holds 1,073,741,823; divide it, "
        "or leave its row out",
    )
    data, performance = outcomes(facts(seen=found(largest=600_000_000)), (DATA, "performance"))
    assert data.errors == ()
    assert performance.warnings == (
        "column goods.word: a value has 600,000,000 bytes; it fits, and pg_dump cannot write it where it has more than "
        "536,870,911",
    )


def test_memory_is_the_formula_of_the_readme() -> None:
    wide = facts(of_size(1_000_000, 1_000_000_000))
    assert memory(wide) == 2 * (300 * 2**20 + 2 * 10_000 * 1_000)
    assert memory(facts(seen=found(largest=10**9))) == 2 * (300 * 2**20 + 2 * 10**9)


def test_obstacles_are_told_whatever_is_switched_off() -> None:
    given = facts(obstacles=("the target is not empty",), plan=LOSS)
    (outcome,) = outcomes(given, ())
    assert outcome.kind == "schema"
    assert outcome.errors[0].startswith("view v: SLEEP(); say allow_losses")
    assert outcome.errors[1] == "the target is not empty"
    allowed = replace(given, limits=replace(given.limits, losses=True), obstacles=())
    assert outcomes(allowed, ()) == ()
    assert outcomes(allowed, ("schema",))[0].warnings == ("view v: SLEEP()",)
