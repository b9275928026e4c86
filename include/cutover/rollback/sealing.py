"""Files that nobody reads without the key.

A file is cut into frames of 1 MiB, each sealed with AES-256-GCM. A frame's nonce is a random prefix of the
file's own, the frame's number, and whether it is the last: the STREAM construction of Hoang, Reyhanitabar,
Rogaway and Vizár (Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance, 2015). A byte that
was changed, frames in another order and an end that is missing are found, and one frame at a time is in memory.

The key is derived from a passphrase by scrypt (RFC 7914), whose cost is paid once for each salt.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cutover.errors import PreflightError

SALT_BYTES = 16
_MAGIC = b"cutover sealed 1\n"
_PREFIX_BYTES = 7
_FRAME = 1 << 20
_TAG_BYTES = 16


def new_salt() -> bytes:
    """Return a new random salt; files that are sealed with one salt share the cost of deriving their key."""
    return os.urandom(SALT_BYTES)


def require(key: str) -> None:
    """Refuse a passphrase that seals nothing.

    Raises:
        PreflightError: it is empty.
    """
    if not key:
        raise PreflightError(["the key to seal with is empty; give one, or none at all to leave files plain"])


def seal(origin: Path, into: Path, key: str, salt: bytes) -> None:
    """Write a file's sealed copy, which only its owner may read and which is on disk when this returns.

    Args:
        origin: the plain file; it stays.
        into: the sealed one; what is there is replaced.
        key: the passphrase.
        salt: what :func:`new_salt` gave, for this file and those that belong to it.

    Raises:
        PreflightError: the passphrase is empty.
    """
    require(key)
    cipher = _cipher(key, salt)
    prefix = os.urandom(_PREFIX_BYTES)
    header = _MAGIC + salt + prefix
    with origin.open("rb") as plain, _private(into) as sealed:
        sealed.write(header)
        for nonce, frame in _frames(plain, prefix, _FRAME):
            sealed.write(cipher.encrypt(nonce, frame, header))
        sealed.flush()
        os.fsync(sealed.fileno())


def open_sealed(origin: Path, into: Path, key: str) -> None:
    """Write a sealed file's plain copy, which only its owner may read; where it cannot be opened whole there is none.

    Args:
        origin: the sealed file; it stays.
        into: the plain one; what is there is replaced.
        key: the passphrase it was sealed with.

    Raises:
        PreflightError: the passphrase is another, or the file is damaged or none that was sealed.
    """
    with origin.open("rb") as sealed:
        header = sealed.read(len(_MAGIC) + SALT_BYTES + _PREFIX_BYTES)
        if not header.startswith(_MAGIC) or len(header) < len(_MAGIC) + SALT_BYTES + _PREFIX_BYTES:
            raise PreflightError([f"{origin} is no sealed file, or its beginning is damaged; take another backup"])
        cipher = _cipher(key, header[len(_MAGIC) : -_PREFIX_BYTES])
        opened = 0
        try:
            with _private(into) as plain:
                for nonce, frame in _frames(sealed, header[-_PREFIX_BYTES:], _FRAME + _TAG_BYTES):
                    opened += plain.write(cipher.decrypt(nonce, frame, header))
        except InvalidTag:
            into.unlink()
            raise PreflightError([f"{origin} cannot be opened: {_reason(opened)}"]) from None


def _reason(opened: int) -> str:
    if opened:
        return f"it is damaged or cut short after its first {opened >> 20} MiB; take another backup"
    return "the key is not the one it was sealed with, or it is damaged; give the right key"


def _frames(file: IO[bytes], prefix: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield each frame's nonce and bytes; a file that is empty has one frame, which is."""
    number, frame = 0, file.read(size)
    while True:
        following = file.read(size)
        yield prefix + struct.pack(">IB", number, not following), frame
        if not following:
            return
        number, frame = number + 1, following


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@lru_cache(maxsize=4)
def _cipher(key: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(key.encode()))
