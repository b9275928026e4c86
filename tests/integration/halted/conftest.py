"""The source of runs that are taken back."""

from __future__ import annotations

import pytest
from backward import SHOP
from helpers import mysql

from cutover.local.servers import Server


@pytest.fixture
def shop(source_db: Server) -> Server:
    mysql(source_db, *SHOP)
    return source_db
