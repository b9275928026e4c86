"""The manifest of a backup: whose it is, what was in the database, and what its files must be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from cutover.errors import PreflightError
from cutover.rollback import measured

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class File:
    """A file of a backup, as it was written."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What is known of a backup; ``xmin`` is of its snapshot, ``definitions`` the SHA-256 of its schema's."""

    format: Literal[1]
    owner: dict[str, str]
    server: str
    database: str
    schemas: tuple[str, ...]
    taken: AwareDatetime
    xmin: int
    sealed: bool
    definitions: str
    tables: tuple[measured.Table, ...]
    sequences: tuple[measured.Position, ...]
    files: tuple[File, ...]


_ADAPTER = TypeAdapter(Manifest)


def encoded(manifest: Manifest) -> bytes:
    """Return a manifest as its file has it."""
    return _ADAPTER.dump_json(manifest, indent=1)


def read(path: Path) -> Manifest:
    """Return the manifest of a backup's folder.

    Raises:
        PreflightError: it is missing or damaged, or no backup's.
    """
    file = path / MANIFEST
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except OSError as error:
        raise PreflightError([f"backup {path} has no manifest that can be read: {error.strerror}"]) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PreflightError([f"{file} is damaged, or no backup's manifest: {where} {first['msg']}"]) from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
