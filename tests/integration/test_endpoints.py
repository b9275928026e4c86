"""The application's own endpoints are asked after the cutover, and a run that they fail is taken back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from helpers import NAMES, begin, postgres, rows, spec

from cutover import report
from cutover.errors import VerificationError
from cutover.local.program import HOST
from cutover.local.servers import Server
from cutover.run import NotStartedError, run_migration
from cutover.steps.application import validate_endpoints

TOKEN = "very-secret"


class Application:
    """A loopback server that answers as its path says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.over = Event()
        asked, over = self.asked, self.over

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                asked.append((self.command, self.path, self.headers.get("Authorization")))
                path = self.path.split("?")[0]
                if path == "/silent":
                    over.wait()
                    return
                status = {"/broken": 500, "/moved": 302, "/made": 201}.get(path, 200)
                if path == "/late" and len(asked) < 3:
                    status = 503
                self.send_response(status)
                if path == "/moved":
                    self.send_header("Location", "/health")
                self.end_headers()
                if path == "/drips":
                    while not over.wait(0.02):
                        self.wfile.write(b"x")
                if self.command == "GET":
                    self.wfile.write("everything is in order: Größe".encode())

            def do_GET(self) -> None:
                self._answer()

            def do_HEAD(self) -> None:
                self._answer()

            def do_OPTIONS(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


def calling(**endpoints: Any) -> dict[str, Any]:
    """The part of a spec that has endpoints asked, each once where it does not say more."""
    asked = {name: {"attempts": 1} | check for name, check in endpoints.items()}
    return {"validation": {"postMigration": {"applicationValidation": True}, "endpoints": asked}}


def problems(shop: Server, target: Server, **endpoints: Any) -> tuple[str, ...]:
    run = begin(shop, target, spec(schema=calling(**endpoints)))
    try:
        assert validate_endpoints(run).errors == ()
    except VerificationError as error:
        return error.differences
    return ()


def test_answers_that_are_as_they_must_be_pass(
    shop: Server, target_db: Server, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP", application.url)
    monkeypatch.setenv("APP_TOKEN", TOKEN)
    run = begin(
        shop,
        target_db,
        spec(
            schema=calling(
                health={
                    "url": "${APP}/health?deep=1",
                    "contains": "Größe",
                    "headers": {"Authorization": "Bearer ${APP_TOKEN}"},
                },
                made={"url": f"{application.url}/made", "status": 201, "method": "HEAD"},
                moved={"url": f"{application.url}/moved", "status": 302},
                broken={"url": f"{application.url}/broken", "status": 500, "method": "OPTIONS"},
            )
        ),
    )
    assert validate_endpoints(run).status == "passed"
    assert application.asked == [
        ("GET", "/health?deep=1", f"Bearer {TOKEN}"),
        ("HEAD", "/made", None),
        ("GET", "/moved", None),
        ("OPTIONS", "/broken", None),
    ]
    event = run.ledger.last(run.id, "validated")
    assert event is not None
    assert [(a["name"], a["status"], a["problem"]) for a in event.detail["details"]["endpoints"]] == [
        ("health", 200, None),
        ("made", 201, None),
        ("moved", 302, None),
        ("broken", 500, None),
    ]
    assert TOKEN not in str([e.detail for e in run.ledger.events(run.id)])


@pytest.mark.parametrize(
    ("path", "check", "problem"),
    [
        ("/broken", {}, "status 500 came, and not 200"),
        ("/moved", {}, "status 302 came, and not 200"),
        ("/health", {"contains": "disorder"}, "status 200 came, but 'disorder' is not in the answer"),
        ("/silent", {"timeout": "200ms"}, "no answer came in 0.2 s"),
        ("/drips", {"timeout": "200ms"}, "its answer was not whole after 0.2 s"),
    ],
)
def test_any_other_answer_is_told_with_the_endpoint(
    shop: Server, target_db: Server, application: Application, path: str, check: dict[str, Any], problem: str
) -> None:
    url = f"{application.url}{path}"
    found = problems(shop, target_db, mine={"url": url} | check, good={"url": f"{application.url}/health"})
    assert found == (f"endpoint mine: GET {url}: {problem}",)


def test_what_a_variable_holds_is_never_told(
    shop: Server, target_db: Server, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.close()
    monkeypatch.setenv("APP", f"{application.url}/?key={TOKEN}")
    monkeypatch.setenv("NONE", f"http://[{TOKEN}")
    found = problems(shop, target_db, gone={"url": "${APP}"}, none={"url": "${NONE}"})
    assert found[0].startswith("endpoint gone: GET ${APP}: no answer came (")
    assert found[1].startswith("endpoint none: GET ${NONE}: no answer came (")
    assert len(found) == 2
    assert TOKEN not in "".join(found)


def test_a_log_of_everything_holds_no_value_of_a_variable(
    shop: Server,
    target_db: Server,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("APP", f"{application.url}/health?key={TOKEN}")
    monkeypatch.setenv("APP_TOKEN", TOKEN)
    client = logging.getLogger("httpx")
    # Whoever configured logging before, as Airflow does, may have switched it off.
    monkeypatch.setattr(client, "disabled", False)
    monkeypatch.setattr(client, "propagate", True)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, client.name):
        found = problems(shop, target_db, home={"url": "${APP}", "headers": {"X-Key": "${APP_TOKEN}"}})
        client.info("loud again")
    assert (found, len(application.asked)) == ((), 1)
    assert TOKEN not in caplog.text
    assert "loud again" in caplog.text


def test_an_application_may_need_another_moment(shop: Server, target_db: Server, application: Application) -> None:
    assert problems(shop, target_db, late={"url": f"{application.url}/late", "attempts": 3}) == ()
    assert len(application.asked) == 3


def test_a_run_whose_endpoint_fails_is_taken_back(shop: Server, target_db: Server, application: Application) -> None:
    postgres(target_db, "CREATE TABLE customers (name text)", "INSERT INTO customers VALUES ('was here')")
    broken = {"url": f"{application.url}/broken"}
    run = begin(shop, target_db, spec(schema=calling(home=broken)), replace_target=True)
    told = run_migration(run)
    assert told.status == report.ROLLED_BACK
    assert told.failed_step == "validate_endpoints"
    assert told.cause == (
        "the application does not answer as it must:\n"
        f"endpoint home: GET {application.url}/broken: status 500 came, and not 200"
    )
    assert told.validation["application"]["status"] == "failed"
    assert rows(target_db, "SELECT name FROM customers") == [("was here",)]
    assert run.ledger.last(run.id, "cut_over") is not None


def test_a_run_asks_when_the_new_tables_are_live(shop: Server, target_db: Server, application: Application) -> None:
    run = begin(shop, target_db, spec(schema=calling(home={"url": f"{application.url}/health"})))
    told = run_migration(run)
    assert told.status == report.COMPLETED
    steps = [step["step"] for step in told.steps]
    assert steps.index("validate_cutover") < steps.index("validate_endpoints") < steps.index("tidy")
    assert [name for (name,) in rows(target_db, NAMES)] == ["Ana", "Björn", "桜"]
    assert len(application.asked) == 1


def test_a_variable_that_is_not_set_stops_a_run_before_it_changes_anything(shop: Server, target_db: Server) -> None:
    run = begin(shop, target_db, spec(schema=calling(home={"url": "${NOWHERE_TO_BE_SET}/health"})))
    with pytest.raises(NotStartedError, match="endpoint home: environment variable NOWHERE_TO_BE_SET is not set"):
        run_migration(run)


def test_endpoints_of_a_run_that_validates_nothing_are_left_alone(
    shop: Server, target_db: Server, application: Application
) -> None:
    safe = {"execution": {"modes": {"safe": {"validateAfterMigration": False}}}}
    part = calling(home={"url": f"{application.url}/broken"})
    assert run_migration(begin(shop, target_db, spec(schema=part, strategy=safe))).status == report.COMPLETED
    assert application.asked == []
