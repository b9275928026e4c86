"""Servers that speak TLS: a certificate is verified when that is asked for, and the run refused when it is wrong."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import trustme
from helpers import NAMES, SECRET, access, account, begin, endpoint, mysql, rows, schemas, spec
from program import cutover

from cutover import report
from cutover.dialects.endpoint import Endpoint
from cutover.local.program import HOST
from cutover.local.servers import Server, mariadb, postgresql
from cutover.run import NotStartedError, run_migration
from cutover.spec import MigrationSpec
from cutover.steps import check
from cutover.steps.context import endpoints


@dataclass(frozen=True)
class Secured:
    """Both servers, the authority that signed their certificates, and one that did not."""

    source: Server
    target: Server
    right: Path
    wrong: Path

    def ends(self, source_ca: Path, target_ca: Path) -> tuple[Endpoint, Endpoint]:
        """Both servers as the library takes them, to be verified."""
        source, target = (endpoint(server, verify_tls=True) for server in (self.source, self.target))
        return replace(source, tls_ca=str(source_ca)), replace(target, tls_ca=str(target_ca))

    def urls(self, source_ca: Path, target_ca: Path) -> list[str]:
        """The options of the command line that name both servers and have them verified."""
        found = []
        for option, server, ca in (("--source", self.source, source_ca), ("--target", self.target, target_ca)):
            found += [option, f"{server.url()}?tls=verify&tlsCa={quote(str(ca))}"]
        return found


def certificate(folder: Path, name: str, authority: trustme.CA, owner: str, *hosts: str) -> tuple[Path, Path]:
    """Issue a certificate for some names of a host and return it and its key, which only ``owner`` may read."""
    issued = authority.issue_cert(*hosts)
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    for position, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(chain, append=position > 0)
    if os.geteuid() == 0:
        os.chown(key, pwd.getpwnam(owner).pw_uid, -1)
    return chain, key


@pytest.fixture(scope="module")
def secured(server_folder: Path) -> Iterator[Secured]:
    folder = server_folder / "tls"
    folder.mkdir()
    folder.chmod(0o755)
    authority, stranger = trustme.CA(), trustme.CA()
    right, wrong = folder / "right.pem", folder / "wrong.pem"
    authority.cert_pem.write_to_path(right)
    stranger.cert_pem.write_to_path(wrong)
    chain, key = certificate(folder, "source", authority, "mysql", HOST, "localhost")
    options = [f"--ssl-cert={chain}", f"--ssl-key={key}", f"--ssl-ca={right}"]
    chain, key = certificate(folder, "target", authority, "postgres", HOST)
    settings = {"ssl": "on", "ssl_cert_file": str(chain), "ssl_key_file": str(key)}
    with mariadb(folder, options=options) as source, postgresql(folder, settings=settings) as target:
        mysql(
            source,
            "CREATE TABLE goods (id INT PRIMARY KEY, word VARCHAR(20), price DECIMAL(9,2), seen DATETIME(6))",
            "INSERT INTO goods VALUES (1, 'a', 1.50, '2024-02-29 01:02:03.000004'), (2, '桜', NULL, NULL)",
            "CREATE TABLE plain (word TEXT)",
            "INSERT INTO plain VALUES ('x'), ('x')",
        )
        # The account is let in with TLS only, so whatever reads, reads encrypted.
        with account(
            source,
            "GRANT SELECT, TRIGGER, EVENT, EXECUTE ON camera_counting.* TO {account}",
            "ALTER USER {account} REQUIRE SSL",
        ) as user:
            yield Secured(replace(source, user=user, password=SECRET), target, right, wrong)


@pytest.fixture
def empty(secured: Secured) -> Iterator[Secured]:
    """The servers, with a target database of the test's own that starts out empty."""
    with psycopg.connect(secured.target.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE tls_target")
        yield replace(secured, target=replace(secured.target, name="tls_target"))
        connection.execute("DROP DATABASE tls_target WITH (FORCE)")


def refused(ends: tuple[Endpoint, Endpoint]) -> str:
    """Run a migration that cannot start, and return what it says."""
    with pytest.raises(NotStartedError) as problem:
        run_migration(begin(*ends, spec(into="shop")))
    return str(problem.value)


def test_verified_servers_are_migrated_and_compared(empty: Secured) -> None:
    done = cutover(["run", *empty.urls(empty.right, empty.right), "--schema", "shop"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert rows(empty.target, "SELECT id, word, price, seen FROM shop.goods ORDER BY id") == [
        (1, "a", Decimal("1.50"), datetime(2024, 2, 29, 1, 2, 3, 4)),
        (2, "桜", None, None),
    ]
    assert rows(empty.target, "SELECT word FROM shop.plain") == [("x",), ("x",)]


def test_localhost_has_a_port_and_a_certificate_too(empty: Secured) -> None:
    # MariaDB's client takes the word for a socket, behind which another server may be.
    named = replace(empty, source=replace(empty.source, host="localhost"))
    assert run_migration(begin(*named.ends(empty.right, empty.right), spec(into="shop"))).status == report.COMPLETED
    assert rows(empty.target, "SELECT word FROM shop.plain") == [("x",), ("x",)]


def test_localhost_has_a_port(shop: Server, target_db: Server) -> None:
    assert run_migration(begin(replace(shop, host="localhost"), target_db)).status == report.COMPLETED
    assert len(rows(target_db, NAMES)) == 3


def test_a_spec_can_ask_for_it_too(empty: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    verified = {"tls": "verify", "tlsCa": str(empty.right)}
    ends = {"source": {"env": "SOURCE_DB"} | verified, "target": {"env": "TARGET_DB", "schema": "shop"} | verified}
    raw = spec().model_dump(mode="json", by_alias=True, exclude_unset=True) | ends
    for name, value in access(empty.source, empty.target).items():
        monkeypatch.setenv(name, value)
    found = endpoints(MigrationSpec.model_validate(raw))
    assert found == empty.ends(empty.right, empty.right)
    check.preflight(begin(*found))


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_certificate_of_another_authority_is_refused(empty: Secured, side: str) -> None:
    authorities = (empty.wrong, empty.right) if side == "source" else (empty.right, empty.wrong)
    said = refused(empty.ends(*authorities))
    assert getattr(empty, side).name in said
    assert "certificate could not be verified" in said
    assert schemas(empty.target) == {"public"}


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_certificate_for_another_host_is_refused(empty: Secured, side: str) -> None:
    # This is where the server listens, but not what its certificate says.
    name = "127.1" if side == "source" else "localhost"
    elsewhere = replace(empty, **{side: replace(getattr(empty, side), host=name)})
    assert "certificate could not be verified" in refused(elsewhere.ends(empty.right, empty.right))
    assert schemas(empty.target) == {"public"}


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_server_without_tls_is_refused_when_it_is_to_be_verified(
    secured: Secured, source_db: Server, target_db: Server, side: str
) -> None:
    mixed = replace(secured, **{side: source_db if side == "source" else target_db})
    said = refused(mixed.ends(secured.right, secured.right))
    assert "TLS" in said or "SSL" in said, said


def test_a_missing_authority_file_is_named(empty: Secured, tmp_path: Path) -> None:
    for authorities in ((tmp_path / "none.pem", empty.right), (empty.right, tmp_path / "none.pem")):
        assert "none.pem" in refused(empty.ends(*authorities))
