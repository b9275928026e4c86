"""Connections of a pool, and those that a server has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from helpers import (
    endpoint,
    mysql_rows,
    rows,
)

from cutover.dialects import mysql as source_side
from cutover.dialects import postgresql as target_side
from cutover.dialects.endpoint import Endpoint, Pool
from cutover.local.servers import Server

QUICK = Pool(min=1, max=4, acquire=20_000, idle=300)


def pooled(server: Server, pool: Pool = QUICK, **changes: Any) -> Endpoint:
    return endpoint(server, pool=pool, **changes)


def on_target(server: Server) -> set[int]:
    """The server processes that serve the target's database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'cutover'"
    return {pid for (pid,) in rows(replace(server, name="postgres"), query, server.name)}


def on_source(server: Server) -> set[int]:
    """The connections to the source's database."""
    query = f"SELECT id FROM information_schema.processlist WHERE db = '{server.name}'"
    return {number for (number,) in mysql_rows(replace(server, name="information_schema"), query)}


def number_of(target: Endpoint, **settings: Any) -> int:
    with target_side.session(target, **settings) as connection:
        return connection.info.backend_pid


def inspected(target: Endpoint) -> str:
    with target_side.transaction(target) as connection:
        return str(connection.execute(sa.text("SHOW timezone")).scalar_one())


def asked(source: Endpoint, query: str) -> Any:
    with source_side.session(source) as connection:
        return connection.execute(sa.text(query)).scalar_one()
