"""What tests of the suites share: two planned tables, and asking what is expected of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg

from cutover.dialects.endpoint import Endpoint
from cutover.route import ColumnRoute, TableRoute
from cutover.schema.checks import of_labels
from cutover.schema.model import ForeignKey, Index
from cutover.schema.target import EnumType, TargetCheck, TargetTable
from cutover.verify import expectations, suites
from cutover.verify.expectations import Result
from cutover.verify.generated import KINDS
from cutover.verify.ranges import Range

SCHEMA = "cutover Shadow_1"
PASSWORD = "pa$HOME${x}@:/%'\\é"
ALL = frozenset(KINDS)
DIRECTIONS = (("A", "in"), ("B", "o:ut'{}\\"), ("C", None))
ROWS = {"cameras": 3, "Order: {x}": 4}


def column(name: str, type_: str, arrow: str = "string", nullable: bool = True, **more: object) -> ColumnRoute:
    made = ColumnRoute(name, type_, "{c}", arrow, name, type_, arrow, nullable, nullable)
    return replace(made, **more)  # type: ignore[arg-type]


CAMERAS = TargetTable(
    TableRoute(
        "cameras",
        "cameras",
        (
            column("id", "integer", "int32", nullable=False),
            column("site", "integer", "int32", nullable=False),
            column("name", "varchar(20)"),
            column("installed", "timestamp(0)", "timestamp", source_nullable=False),
        ),
        ("id",),
    ),
    checks=(TargetCheck("cameras_site", "site > 0 OR name LIKE '%:x{}'", "site"),),
    indexes=(
        Index.over("cameras_place", ("site", "name"), True),
        Index.over("cameras_name", ("name",), False),
    ),
)
KIND = column("kind", "text", labels=("a", "b", "c"))
ORDERS = TargetTable(
    TableRoute(
        "Order: {x}",
        "Order: {x}",
        (
            column("id", "bigint", "int64", nullable=False),
            column("camera", "integer", "int32"),
            column("di%rection", "text", values=DIRECTIONS, default="none"),
            KIND,
            column("mood", '"mood"', "enum", labels=("good", "b'ad")),
            column("flag", "boolean", "bool", values=(("Y", True), ("N", False))),
        ),
        ("id",),
        duplicates=(("kind",),),
    ),
    checks=(of_labels("orders", KIND),),
    enums=(EnumType('"mood"', ("good", "b'ad")),),
    foreign_keys=(ForeignKey("order_camera", ("camera",), "cameras", ("id",)),),
)


def run(target: Endpoint, statements: str) -> None:
    login = {"host": target.host, "port": target.port, "user": target.user, "dbname": target.database}
    with psycopg.connect(**login, password=target.password) as connection:  # type: ignore[arg-type]
        connection.execute(f'SET search_path TO "{SCHEMA}"')
        connection.execute(statements)


def check(
    target: Endpoint,
    docs: Path,
    kinds: frozenset[str] = ALL,
    folder: Path | None = None,
    relaxed: tuple[str, ...] = (),
    ranges: tuple[Range, ...] = (),
) -> list[Result]:
    return expectations.validate(
        (CAMERAS, ORDERS),
        target,
        SCHEMA,
        ROWS,
        frozenset(relaxed),
        suites.read(folder, (CAMERAS, ORDERS)) if folder else [],
        docs,
        kinds,
        {"cameras": ranges},
    )


def failures(results: list[Result]) -> list[str]:
    return [str(result) for result in results if not result.success]


def assert_secret(docs: Path, text: str) -> None:
    assert PASSWORD not in text
    files = [path for path in docs.rglob("*") if path.is_file()]
    assert docs / "index.html" in files
    for path in files:
        for secret in (PASSWORD, "pa$HOME", "pa%24HOME", "CUTOVER_TARGET_URL"):
            assert secret.encode() not in path.read_bytes(), path
