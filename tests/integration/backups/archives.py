"""What tests of backups share: an owner, a key, and what is done with a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers import endpoint, one

from cutover.local.servers import Server
from cutover.rollback import backups

OWNER = {"migration": "shop", "run": "first"}
KEY = "correct horse"


def take(server: Server, into: Path, **options: Any) -> backups.Backup:
    return backups.take(endpoint(server), into, **({"owner": OWNER} | options))


def restore(path: Path, into: Server, key: str | None = None, timeout: float = 120) -> None:
    backups.restore(path, endpoint(into), jobs=2, key=key, timeout=timeout)


def check(taken: backups.Backup) -> list[str]:
    return backups.check(taken.path, taken.digest, OWNER)


def table_oid(server: Server, name: str) -> int:
    return int(one(server, "SELECT %s::regclass::oid::bigint", name))


def largest(path: Path) -> Path:
    return max((file for file in path.iterdir() if file.name != backups.MANIFEST), key=lambda file: file.stat().st_size)
