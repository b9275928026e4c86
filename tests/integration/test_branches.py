"""Lines of versions that branch, and come together or are put in order."""

from __future__ import annotations

import pytest
from helpers import one, rows
from versioned import ADD_ZONE, APPLIED, BRANCHING, Make, columns

from cutover.errors import CutoverError


@pytest.mark.slow
def test_lines_that_do_not_touch_each_other_merge(make: Make) -> None:
    shop = make(BRANCHING)
    base = shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    lane = shop.write(
        "lane",
        'op.add_column("customers", sa.Column("lane", sa.Text()))',
        'op.drop_column("customers", "lane")',
        "--branch",
        "lanes",
    )
    more = shop.write(
        "more", 'op.add_column("orders", sa.Column("more", sa.Text()))', 'op.drop_column("orders", "more")'
    )
    shop.run()
    # A branch that is not merged is not applied by a run.
    assert rows(shop.target, APPLIED) == [(base,), (more,)]
    shop("upgrade", "--branch", "lanes")
    assert rows(shop.target, "SELECT branch, version, merged FROM migration_branches") == [("lanes", lane, False)]
    assert [line.split() for line in shop("branches").splitlines()] == [
        ["main", more, "applied"],
        ["lanes", lane, "applied", "not", "merged"],
    ]
    said = shop("merge", "lanes")
    merging = said.split()[-1]
    assert said.startswith("branch lanes is merged by version")
    with pytest.raises(CutoverError, match="branch lanes is merged already"):
        shop("merge", "lanes")
    shop("upgrade")
    assert rows(shop.target, APPLIED) == [(base,), (lane,), (more,), (merging,)]
    assert rows(shop.target, "SELECT branch, version, merged FROM migration_branches") == [("lanes", lane, True)]
    shop.run()
    assert {"lane"} <= {*columns(shop.target, "customers")}
    assert shop("diff") == "no differences\n"


@pytest.mark.slow
def test_a_branch_is_put_behind_the_main_line(make: Make) -> None:
    shop = make({"types": {"schema": {"strategy": "branching", "branching": {"mergeStrategy": "rebase"}}}})
    base = shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    lane = shop.write(
        "lane",
        'op.add_column("customers", sa.Column("lane", sa.Text()))',
        'op.drop_column("customers", "lane")',
        "--branch",
        "lanes",
    )
    more = shop.write(
        "more", 'op.add_column("orders", sa.Column("more", sa.Text()))', 'op.drop_column("orders", "more")'
    )
    shop.run()
    shop("upgrade", "--branch", "lanes")
    with pytest.raises(CutoverError, match=f"version {lane} of branch lanes is applied in the target"):
        shop("merge", "lanes")
    shop("downgrade", "previous")
    shop("merge", "lanes")
    assert [line.split()[0] for line in shop("history").splitlines()] == [base, more, lane]
    assert shop("branches").split() == ["main", lane, "not", "applied"]
    shop.run()
    assert "lane" in columns(shop.target, "customers")


@pytest.mark.parametrize("resolution", ["manual", pytest.param("auto", marks=pytest.mark.slow)])
def test_lines_in_conflict_are_refused_or_put_in_order(make: Make, resolution: str) -> None:
    settings = {"versioned": {"rollback": False}, "branching": {"conflictResolution": resolution}}
    shop = make({"types": {"schema": {"strategy": "branching"} | settings}})
    kind = 'op.alter_column("orders", "note", type_=sa.String({}))'
    shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.write("theirs", kind.format(20), 'op.alter_column("orders", "note", type_=sa.Text())', "--branch", "lanes")
    shop.write("ours", kind.format(30), 'op.alter_column("orders", "note", type_=sa.Text())')
    if resolution == "manual":
        with pytest.raises(CutoverError, match=r"in conflict: their order matters for ~ column orders\.note"):
            shop("merge", "lanes")
        assert "merge" not in "".join(path.name for path in (shop.home / "versions").iterdir())
        return
    assert "the branch comes last: their order matters for ~ column orders.note" in shop("merge", "lanes")
    shop.run()
    query = "SELECT character_maximum_length FROM information_schema.columns WHERE column_name = 'note'"
    assert one(shop.target, query + " AND table_schema = 'public'") == 20


def test_a_branch_that_cannot_come_last_is_refused(make: Make) -> None:
    shop = make({"types": {"schema": {"strategy": "branching", "branching": {"conflictResolution": "auto"}}}})
    shop.write("base", ADD_ZONE, 'op.drop_column("orders", "zone")')
    shop.write(
        "theirs",
        'op.drop_column("orders", "note")',
        'op.add_column("orders", sa.Column("note", sa.Text()))',
        "--branch",
        "lanes",
    )
    shop.write("ours", 'op.drop_column("orders", "note")', 'op.add_column("orders", sa.Column("note", sa.Text()))')
    with pytest.raises(CutoverError, match=r'the branch cannot follow the main line: .*column "note"'):
        shop("merge", "lanes")


def test_branches_need_their_strategy(make: Make) -> None:
    shop = make()
    with pytest.raises(CutoverError, match="versions branch with strategy branching; the spec says versioned"):
        shop("revision", "-m", "x", "--empty", "--branch", "lanes")
