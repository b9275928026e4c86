"""What is said of both servers before a run: whom it concerns, what they are, of what they have too little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers import account, begin, endpoint, mysql, mysql_rows, one, postgres, rows, spec

from cutover.assess import shown
from cutover.errors import PreflightError, TransientError
from cutover.local.servers import Server
from cutover.steps import assess


def test_whom_it_concerns(source_db: Server, target_db: Server) -> None:
    other = f"{source_db.name}_other"
    mysql(
        source_db,
        "CREATE TABLE t (id INT PRIMARY KEY)",
        "INSERT INTO t VALUES (1)",
        "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM t WHERE id < 0",
        "CREATE TRIGGER watching BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 0",
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.uses (t INT, CONSTRAINT uses_t FOREIGN KEY (t) REFERENCES {source_db.name}.t (id))",
        f"CREATE VIEW {other}.reads AS SELECT id FROM {source_db.name}.t",
    )
    postgres(target_db, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1), (2)", "ANALYZE t")
    postgres(target_db, "CREATE SCHEMA app", "CREATE VIEW app.bound AS SELECT id FROM public.t")
    granted = f"GRANT SELECT, INSERT ON {source_db.name}.* TO {{account}}@'%'"
    try:
        with account(source_db, granted) as name, _connected(target_db):
            made = assess.assess(begin(source_db, target_db, spec(), replace_target=True))
    finally:
        mysql(source_db, f"DROP DATABASE {other}")
    assert made.impact is not None
    assert dict(made.impact.facts) == {
        "live tables that are replaced": "1, about 2 rows",
        "sessions of the target now": "1",
    }
    assert made.impact.findings[:3] == (
        "table t is replaced, about 2 rows",
        "view app.bound depends on table t: it would stay with the old one",
        "1 sessions of cutover (shop frontend) are connected to the target",
    )
    for line in (
        "1 events run by themselves: nightly",
        "1 triggers fire at its changes: watching",
        f"foreign key {other}.uses.uses_t refers to t from another database",
        f"view {other}.reads of another database reads it",
        f"account {name}@% has rights on it: INSERT, SELECT",
    ):
        assert line in made.impact.findings
    # What is bound to the old tables is in the way of a run.
    assert any("view app.bound depends on table t" in error for error in made.errors)


def _connected(server: Server) -> Any:
    import psycopg

    return psycopg.connect(server.url(), application_name="shop frontend")


def test_what_an_account_may_not_see_is_said(shop: Server, target_db: Server) -> None:
    granted = f"GRANT SELECT ON {shop.name}.* TO {{account}}@'%'"
    with account(shop, granted) as name:
        poor = endpoint(shop, user=name, password="open-sesame")
        made = assess.assess(begin(poor, target_db, spec()))
    assert made.impact is not None
    assert [line for line in made.impact.findings if "may not see" in line] == [
        f"{name} may not see which other accounts have rights on {shop.name}: GRANT SELECT ON mysql.* TO it",
        f"{name} may not see the sessions of other accounts of the source: GRANT PROCESS ON *.* TO it",
    ]
    (warnings,) = (outcome.warnings for outcome in made.outcomes if outcome.kind == "schema")
    assert [line.split(" GRANT")[0] for line in warnings] == [
        f"{kind}s: the account may not see whether there are any:" for kind in ("trigger", "event", "routine")
    ]


def test_both_servers_say_what_they_are(shop: Server, target_db: Server) -> None:
    made = assess.assess(begin(shop, target_db, spec()))
    assert made.schema is not None
    told = dict(made.schema.facts)
    assert told["source: binary log"] == "on, ROW, row image FULL"
    assert told["source: collations"] == "utf8mb4_unicode_ci"
    assert told["source: version"] == mysql_rows(shop, "SELECT VERSION()")[0][0]
    assert told["target: version"] == one(target_db, "SHOW server_version")
    assert told["target: encoding"] == "UTF8"
    collate = rows(target_db, "SELECT datcollate FROM pg_database WHERE datname = current_database()")[0][0]
    assert told["target: text is sorted by"].startswith(f"{collate} (of the system)")
    assert told["table"] == "2 as is"
    assert "free, the run takes 3" in told["target: connections"]


def test_too_few_connections_are_warned_of(shop: Server, target_db: Server) -> None:
    with account(shop, f"GRANT SELECT ON {shop.name}.* TO {{account}}@'%' WITH MAX_USER_CONNECTIONS 3") as name:
        poor = endpoint(shop, user=name, password="open-sesame")
        postgres(target_db, f"ALTER DATABASE {target_db.name} CONNECTION LIMIT 4")
        made = assess.assess(begin(poor, target_db, spec(), workers=200))
    warnings = next(outcome.warnings for outcome in made.outcomes if outcome.kind == "performance")
    assert any("connections are free, and the run takes 201" in w and w.startswith("mysql://") for w in warnings)
    assert any("connections are free, and the run takes 201" in w and w.startswith("postgresql") for w in warnings)
    assert any("200 workers may take" in w and "set a smaller batchSize, or fewer workers" in w for w in warnings)


def test_a_server_that_is_down_cannot_be_assessed(shop: Server, target_db: Server) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        assess.assess(begin(endpoint(replace(shop, port=1)), target_db, spec()))


def test_parts_that_are_switched_off_are_not_looked_at(shop: Server, target_db: Server) -> None:
    mysql(shop, "INSERT INTO orders VALUES (9, 99, 'orphan')")
    off = {f"{part}Analysis": False for part in ("schema", "data", "impact", "performance")}
    planning = {"scheduling": {"enabled": False}, "analysis": off}
    made = assess.assess(begin(shop, target_db, spec(strategy={"planning": planning})))
    assert (made.schema, made.data, made.impact, made.performance) == (None, None, None, None)
    assert made.outcomes == ()
    assert made.risks[0].level == "medium"
    assert made.risks[0].reasons == ("the values of about 7 rows were not looked at: dataAnalysis is off",)
    assert "Not looked at: the spec switches it off." in shown.markdown(made)
    planning["analysis"] = {"enabled": False}
    with pytest.raises(PreflightError, match=r"strategy\.planning\.analysis\.enabled is false"):
        assess.assess(begin(shop, target_db, spec(strategy={"planning": planning})))
