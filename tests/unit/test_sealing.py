"""What was sealed opens with its key, and with no other; whatever happened to it is found."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cutover.errors import PreflightError
from cutover.rollback import sealing

KEY = "correct horse"
SALT = sealing.new_salt()
HEADER = 40
FRAME = 1 << 20
SEALED_FRAME = FRAME + 16


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A file of two frames and a half, sealed."""
    return _sealed(tmp_path, bytes(range(256)) * (FRAME * 5 // 512))


def _sealed(folder: Path, content: bytes) -> Path:
    plain = folder / "plain"
    plain.write_bytes(content)
    sealing.seal(plain, folder / "sealed", KEY, SALT)
    return folder / "sealed"


def _refused(sealed: Path, key: str = KEY) -> str:
    opened = sealed.with_name("opened")
    with pytest.raises(PreflightError) as refused:
        sealing.open_sealed(sealed, opened, key)
    assert not opened.exists()
    return str(refused.value)


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME])
def test_what_was_sealed_opens(tmp_path: Path, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    sealed = _sealed(tmp_path, content)
    sealing.open_sealed(sealed, tmp_path / "opened", KEY)
    assert (tmp_path / "opened").read_bytes() == content


def test_nothing_of_it_can_be_read(tmp_path: Path) -> None:
    sealed = _sealed(tmp_path, b"a secret that nobody knows " * 100)
    assert b"secret that" not in sealed.read_bytes()
    assert KEY.encode() not in sealed.read_bytes()


def test_both_copies_are_their_owners_alone(sealed: Path) -> None:
    opened = sealed.with_name("opened")
    opened.write_text("what was there, for everybody to read")
    sealing.open_sealed(sealed, opened, KEY)
    assert [stat.S_IMODE(file.stat().st_mode) for file in (sealed, opened)] == [0o600, 0o600]


def test_one_file_sealed_twice_is_never_the_same(tmp_path: Path) -> None:
    assert _sealed(tmp_path, b"rows").read_bytes() != _sealed(tmp_path, b"rows").read_bytes()


def test_another_key_is_refused(sealed: Path) -> None:
    assert "the key is not the one it was sealed with" in _refused(sealed, "wrong horse")


def test_an_empty_key_seals_nothing(tmp_path: Path, sealed: Path) -> None:
    with pytest.raises(PreflightError, match="is empty"):
        sealing.seal(tmp_path / "plain", tmp_path / "again", "", SALT)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("place", [20, HEADER - 1, HEADER, HEADER + SEALED_FRAME + 5, -1])
def test_a_changed_bit_is_found(sealed: Path, place: int) -> None:
    content = bytearray(sealed.read_bytes())
    content[place] ^= 1
    sealed.write_bytes(content)
    assert "damaged" in _refused(sealed)


def test_the_place_of_the_damage_is_named(sealed: Path) -> None:
    content = bytearray(sealed.read_bytes())
    content[-1] ^= 1
    sealed.write_bytes(content)
    assert "after its first 2 MiB" in _refused(sealed)


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_an_end_that_is_missing_is_found(sealed: Path, frames: int) -> None:
    sealed.write_bytes(sealed.read_bytes()[: HEADER + frames * SEALED_FRAME])
    assert "damaged" in _refused(sealed)


def test_frames_in_another_order_are_found(sealed: Path) -> None:
    content = sealed.read_bytes()
    first, second = (content[HEADER + n * SEALED_FRAME : HEADER + (n + 1) * SEALED_FRAME] for n in (0, 1))
    sealed.write_bytes(content[:HEADER] + second + first + content[HEADER + 2 * SEALED_FRAME :])
    assert "damaged" in _refused(sealed)


def test_a_frame_that_was_added_is_found(sealed: Path) -> None:
    sealed.write_bytes(sealed.read_bytes() + b"more")
    assert "damaged" in _refused(sealed)


@pytest.mark.parametrize("content", [b"", b"PGDMP", b"cutover sealed 1\n"])
def test_a_file_that_was_not_sealed_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    assert "other is no sealed file" in _refused(tmp_path / "other")


def test_files_of_one_salt_derive_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    derived = []

    def counted(**cost: Any) -> Scrypt:
        derived.append(cost)
        return Scrypt(**cost)

    monkeypatch.setattr(sealing, "Scrypt", counted)
    (tmp_path / "plain").write_bytes(b"rows")
    salt = sealing.new_salt()
    for number in range(3):
        sealing.seal(tmp_path / "plain", tmp_path / str(number), KEY, salt)
        sealing.open_sealed(tmp_path / str(number), tmp_path / "opened", KEY)
    assert len(derived) == 1
