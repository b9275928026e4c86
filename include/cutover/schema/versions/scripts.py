"""The folder of a migration's versions: one Alembic revision a file, in lines that may branch and merge.

The *main line* is every version that belongs to no branch. A branch begins with a version that bears its label
(``branch_labels``) and ends where a version with several predecessors merges it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic import util
from alembic.autogenerate import render_python_code
from alembic.operations import ops
from alembic.script import Script, ScriptDirectory

from cutover.errors import PreflightError

MAIN = "main"
_HERE = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Scripts:
    """The versions in a folder, which need not exist; without a folder there are none.

    Raises:
        PreflightError: a version's file cannot be read, or names a predecessor that is not there.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        locations = [] if folder is None else [folder]
        self._directory = ScriptDirectory(
            _HERE, version_locations=locations, timezone="UTC", messaging_opts={"quiet": True}
        )

    @cached_property
    def all(self) -> dict[str, Script]:
        """Every version by its identifier, predecessors first; the main line comes before a branch where it may."""
        try:
            found = {script.revision: script for script in self._directory.walk_revisions()}
        except util.CommandError as error:
            raise PreflightError([f"versions in {self.folder}: {error}"]) from None
        except Exception as error:  # a version is Python: anything may go wrong when it is loaded
            raise PreflightError([f"versions in {self.folder} cannot be loaded: {_words(error)}"]) from error
        ordered: dict[str, Script] = {}
        while waiting := [s for key, s in found.items() if key not in ordered]:
            ready = [s for s in waiting if {*_before(s)} <= ordered.keys()]
            first = min(ready, key=lambda s: (self._branch(found, s) != MAIN, s.revision))
            ordered[first.revision] = first
        return ordered

    def branch(self, version: str) -> str:
        """Return the branch that a version belongs to, :data:`MAIN` for the main line."""
        return self._branch(self.all, self.all[version])

    def _branch(self, found: dict[str, Script], script: Script) -> str:
        labels = util.to_list(script.module.branch_labels) or []
        if labels:
            return str(labels[0])
        before = _before(script)
        return self._branch(found, found[before[0]]) if len(before) == 1 else MAIN

    @property
    def heads(self) -> dict[str, list[str]]:
        """The versions that nothing follows on their own branch, by branch; several of one branch must be merged."""
        found: dict[str, list[str]] = {}
        for version in self.all:
            branch = self.branch(version)
            followed = any(version in _before(s) for s in self.all.values() if self.branch(s.revision) == branch)
            if not followed:
                found.setdefault(branch, []).append(version)
        return found

    def merged(self, branch: str) -> bool:
        """Whether a version of another line follows the branch's last."""
        return all(
            any(head in _before(s) for s in self.all.values() if self.branch(s.revision) != branch)
            for head in self.heads[branch]
        )

    def head(self, branch: str = MAIN) -> str | None:
        """Return a branch's last version, or None where the main line has none.

        Raises:
            PreflightError: there is no such branch, or it has several ends.
        """
        ends = self.heads.get(branch, [])
        if not ends and branch != MAIN:
            known = ", ".join(sorted(self.heads)) or "none"
            raise PreflightError([f"there is no branch {branch!r} among the versions in {self.folder}; known: {known}"])
        if len(ends) > 1:
            raise PreflightError(
                [f"versions {' and '.join(ends)} both end branch {branch}: cutover schema merge makes them one line"]
            )
        return ends[0] if ends else None

    def line(self, *versions: str | None) -> list[Script]:
        """Return versions and all that they follow, predecessors first."""
        wanted: set[str] = set()
        waiting = [version for version in versions if version is not None]
        while waiting:
            version = waiting.pop()
            if version not in wanted:
                wanted.add(version)
                waiting += _before(self.found(version))
        return [script for version, script in self.all.items() if version in wanted]

    def found(self, version: str) -> Script:
        """Return a version by its identifier, or the beginning of it.

        Raises:
            PreflightError: there is none, or several begin so.
        """
        matching = [key for key in self.all if key == version] or [key for key in self.all if key.startswith(version)]
        if len(matching) != 1:
            what = (
                f"{len(matching)} versions begin with {version!r}" if matching else f"there is no version {version!r}"
            )
            raise PreflightError([f"{what} {version!r} in {self.folder}; known: {', '.join(self.all) or 'none'}"])
        return self.all[matching[0]]

    def branches(self, applied: Collection[str]) -> dict[str, tuple[str, bool]]:
        """Return the last applied version of each branch but the main line, and whether an applied one merges it."""
        last = {self.branch(version): version for version in self.all if version in applied}
        merging = [_before(self.all[version]) for version in applied if len(_before(self.all[version])) > 1]
        merged = {version for before in merging for version in before}
        return {branch: (version, version in merged) for branch, version in last.items() if branch != MAIN}

    def digest(self, version: str) -> str:
        """Return the SHA-256 of a version's file, as hex."""
        return hashlib.sha256(Path(self.all[version].path).read_bytes()).hexdigest()

    def write(
        self,
        message: str,
        after: Sequence[str],
        up: Sequence[ops.MigrateOperation] = (),
        down: Sequence[ops.MigrateOperation] | None = (),
        label: str | None = None,
    ) -> Script:
        """Write a new version and return it; ``down`` is None where there is to be no way back.

        Raises:
            PreflightError: the branch's name is none, or there is no folder to write into.
        """
        if label is not None and (not _NAME.fullmatch(label) or label == MAIN):
            raise PreflightError([f"branch {label!r}: a name is a-z, 0-9 and _, and not {MAIN}"])
        if self.folder is None:
            raise PreflightError(["versions belong to a migration's folder, and there is none"])
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self._directory.generate_revision(
            self._identifier(),
            message,
            head=tuple(after) or "base",
            splice=True,
            branch_labels=[label] if label else None,
            upgrades=_rendered(up),
            downgrades=_rendered(down) if down is not None else 'raise NotImplementedError("forward only")',
        )
        assert made is not None
        self.__dict__.pop("all", None)
        return made

    def _identifier(self) -> str:
        """Return the time as an identifier that sorts, a second later for each that is taken."""
        moment = datetime.now(UTC)
        while (made := f"{moment:%Y%m%d%H%M%S}") in self.all:
            moment += timedelta(seconds=1)
        return made


def move(script: Script, after: str) -> None:
    """Let a branch's first version follow another, and take its label away: it is then on that version's line.

    Raises:
        PreflightError: its file is not as it was generated.
    """
    path = Path(script.path)
    text = path.read_text()
    for name, value in (("down_revision", after), ("branch_labels", None)):
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", text)
        if count != 1:
            raise PreflightError([f"{path}: a line '{name} = ...' is needed to move the version"])
    path.write_text(text)


def downward(scripts: Sequence[Script], applied: Collection[str], keep: Collection[str]) -> list[Script]:
    """Return what is to be taken back of what is applied, the last first."""
    return [s for s in reversed(scripts) if s.revision in applied and s.revision not in keep]


def _before(script: Script) -> Sequence[str]:
    found: Iterator[str] = iter(util.to_list(script.down_revision) or ())
    return tuple(found)


def _rendered(operations: Sequence[ops.MigrateOperation]) -> str:
    if not operations:
        return ""
    return render_python_code(ops.UpgradeOps(operations), user_module_prefix="", render_item=_expression)


def _expression(kind: str, item: object, _: object) -> str | Literal[False]:
    """Render an expression as it was given: Alembic's own way loses the backslashes that keep a colon from meaning."""
    if kind == "server_default" and isinstance(item, sa.DefaultClause) and isinstance(item.arg, sa.TextClause):
        return f"sa.text({item.arg.text!r})"
    if kind == "server_default" and isinstance(item, sa.TextClause):
        return f"sa.text({item.text!r})"
    if kind == "server_default" and isinstance(item, sa.Computed) and isinstance(item.sqltext, sa.TextClause):
        return f"sa.Computed(sa.text({item.sqltext.text!r}), persisted=True)"
    return False


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
