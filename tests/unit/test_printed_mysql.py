"""What MySQL's catalogue prints becomes SQL again; every left side is as MySQL 9.7 has it."""

from __future__ import annotations

import pytest

from cutover.schema import printed_mysql


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (r"(`size` in (_utf8mb4\'s\',_utf8mb4\'m\'))", "(`size` in (_utf8mb4's',_utf8mb4'm'))"),
        (r"(`name` <> _utf8mb4\'it\\\'s\')", r"(`name` <> _utf8mb4'it\'s')"),
        (r"(`name` <> _utf8mb4\'a\\nb\')", r"(`name` <> _utf8mb4'a\nb')"),
        (
            r"""concat(_utf8mb4\'back\\\\slash\',_utf8mb4\'dq"x\')""",
            r"""concat(_utf8mb4'back\\slash',_utf8mb4'dq"x')""",
        ),
        ("(`n` > 0)", "(`n` > 0)"),
        (r"((`back\\slash` > 0) and (`it\'s` > 1))", r"((`back\slash` > 0) and (`it's` > 1))"),
        # 5.7 does not escape.
        ("json_extract(`doc`,'$.a')", "json_extract(`doc`,'$.a')"),
        (r"concat(`name`,'it\'s')", r"concat(`name`,'it\'s')"),
    ],
)
def test_an_expression_loses_its_second_escapes(printed: str, meant: str) -> None:
    assert printed_mysql.expression(printed) == meant


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (r"_utf8mb4\'" + "Ã¼" + r"\'", "_utf8mb4'ü'"),
        (r"_utf8mb4\'" + "é📷桜".encode().decode("latin-1") + r"\'", "_utf8mb4'é📷桜'"),
        (r"_utf8mb3\'" + "Ã¼" + r"\'", "_utf8mb3'ü'"),
        # What it has as it is, and what has a character set of its own.
        (r"_utf8mb4\'ü\'", "_utf8mb4'ü'"),
        (r"_utf8mb4\'桜\'", "_utf8mb4'桜'"),
        (r"_latin1\'" + "Ã¼" + r"\'", "_latin1'Ã¼'"),
        ("`Ã¼` > 0", "`Ã¼` > 0"),
    ],
)
def test_the_bytes_of_a_literal_become_characters(printed: str, meant: str) -> None:
    assert printed_mysql.expression(printed) == meant


@pytest.mark.parametrize(
    ("printed", "type_", "extra", "meant"),
    [
        ("5", "int", "", "'5'"),
        ("it's", "enum('a','it''s')", "", "'it''s'"),
        ("a\\b", "varchar(9)", "", r"'a\\b'"),
        ("NULL", "varchar(9)", "", "'NULL'"),
        ("b'101'", "bit(3)", "", "b'101'"),
        ("b'1'", "varchar(9)", "", r"'b''1'''"),
        ("0x78", "varbinary(5)", "", "0x78"),
        ("0x78", "varchar(5)", "", "'0x78'"),
        ("CURRENT_TIMESTAMP", "timestamp", "", "CURRENT_TIMESTAMP"),
        ("CURRENT_TIMESTAMP(3)", "datetime(3)", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP(3)", None),
        ("CURRENT_TIMESTAMP", "varchar(20)", "", "'CURRENT_TIMESTAMP'"),
        (r"_utf8mb4\'[]\'", "json", "DEFAULT_GENERATED", "_utf8mb4'[]'"),
        ("curdate()", "date", "DEFAULT_GENERATED", "curdate()"),
    ],
)
def test_a_default_becomes_sql(printed: str, type_: str, extra: str, meant: str | None) -> None:
    assert printed_mysql.default(printed, type_, extra) == (meant or printed)
