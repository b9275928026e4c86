"""MySQL's SQL and its rewriting find the same, value by value, on a MariaDB and a PostgreSQL with the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from helpers import endpoint, mysql, mysql_rows, postgres, rows, source_database, target_database
from rewriting import ITEMS, OWNERS_HAVE, SOURCE, TARGET, Both, alike, inserts, plain

from cutover.local.servers import Server
from cutover.schema.inspect_mysql import inspect
from cutover.schema.rewrite import (
    Relation,
    Scope,
    UntranslatableError,
    rewrite_expression,
    rewrite_statement,
)


@pytest.fixture(scope="module")
def both(mysql_server: Server, pg_server: Server) -> Iterator[Both]:
    with source_database(mysql_server) as source, target_database(pg_server) as target:
        mysql(source, "SET time_zone = '+00:00'", *SOURCE, *inserts("source"))
        postgres(target, "SET timezone = 'UTC'", *TARGET, *inserts("target"))
        relations = {"items": Relation("things", ITEMS), "owners": Relation("owners", OWNERS_HAVE)}
        rounds = inspect(endpoint(source)).rounds_quotients
        yield Both(source, target, Scope(source.name, relations, rounds_quotients=rounds))


EXPRESSIONS = """
qty + 1 | qty + small | qty * price | price * price | -qty | - (qty + 1) | qty - -3 | small + small * 2 | qty / 3
qty / 0 | price / 3 | price / qty | qty / price | 1 / 3 | (qty / 3) * 3 | (qty / 7) * 1000000 | round(qty / 3, 2)
floor(qty / 3 * 3) | qty / 3 / 7 | price / 3 * 2.5 | ratio / 3 | ratio / 0 | qty / 7 + price | price / price
qty / 3 > 1 | qty div 2 | qty div 0 | price div 3 | qty % 2 | mod(qty, 3) | qty mod 0 | price % 3 | qty % price
qty & 5 | id ^ 3 | id << 2 | id >> 1 | id & ~1 | bit_count(id) | qty > 2 | qty = 3 | qty <> 3 | qty != 3 | qty <=> 3
qty <=> null | not qty | !qty | !qty = 1 | not qty = 0 | qty between 0 and 3 | qty not between 0 and 3
qty in (1, 3) | qty not in (1, 3) | qty in (3, null) | (qty > 2) + (price > 1) | (qty > 2) = (price > 1)
qty = (price > 0) | qty and price | qty or null | qty xor price | qty && 1 | qty || price | qty is true
qty is not true | qty is null | qty is not null | price is false | isnull(qty) | (qty > 1) is null | qty = '3'
price = '10.50' | flag | flag = 1 | flag = 0 | flag = true | flag <> 0 | not flag | flag and qty | flag + 1
if(flag, 'yes', 'no') | flag = b'1' | qty = true | active = true | active is true | active
case when qty > 2 then 'big' when qty is null then 'none' else 'small' end
case qty when 3 then 'three' when 0 then 'zero' end | case flag when 1 then 'on' else 'off' end
case kind when 'new' then 1 else 2 end | if(qty, 1, 2) | if(qty > 2, qty, name) | if(qty > 2, price, qty)
if(qty > 2, qty > 5, 0) | ifnull(qty, 0) | ifnull(name, 'none') | ifnull(qty, name) | coalesce(price, qty, 0)
coalesce(flag, 0) | nullif(qty, 3) | nullif(name, '') | nullif(qty, 0) | greatest(qty, small) | least(qty, price, 5)
greatest(born, made) | concat(name, '-', qty) | concat(name, null) | concat(price, name) | concat(born)
concat(made, '') | concat(fine, '') | concat(kind, marks) | concat(seen, '') | concat(qty > 2, 'x')
concat_ws('-', name, qty, tag) | concat_ws(',', null, name) | concat(price / 3, '')
concat(if(qty > 2, 1, 2.50), '') | substring(name, 2) | substring(name, 2, 3) | substr(name, -3) | mid(name, -3, 2)
substring(name, 0) | substring(name, -30) | substring(name, qty) | substring(name, qty, small)
substring(name from 2 for 2) | left(name, 3) | right(name, 3) | left(name, qty) | right(name, qty)
substring(name, 2, -1) | locate('l', name) | locate('L', name) | locate('l', name, 4) | instr(name, 'o')
locate('', name) | position('lo' in name) | locate('B', tag) | length(name) | char_length(name) | octet_length(qty)
length(raw) | upper(name) | lower(name) | ucase(tag) | lcase(tag) | trim(name) | ltrim(name) | rtrim(name)
trim(both 'h' from tag) | trim(leading 'a' from tag) | trim(trailing 'c' from tag) | lpad(name, 8, '*-')
rpad(name, 3, '.') | repeat(tag, 2) | repeat(tag, qty) | reverse(name) | replace(name, 'l', 'L')
replace(name, '', 'x') | hex(name) | hex(id) | hex(qty) | hex(raw) | unhex('4142') | unhex(hex(raw)) | unhex('414')
unhex(name) | md5(name) | sha2(name, 256) | sha2(tag, 0) | ascii(name) | space(3) | field(tag, 'B', 'a,b,c')
field(qty, 100, 3) | elt(id, 'a', 'b', name) | format(price, 2) | format(qty, 0) | format(price, 1)
substring_index(tag, ',', 1) | substring_index(tag, ',', 2) | substring_index(tag, ',', -1)
substring_index(tag, ',', -2) | substring_index(tag, ',', 0) | find_in_set('b', tag) | find_in_set('', tag)
find_in_set('a', marks) > 0 | find_in_set('b', marks) = 0 | find_in_set(tag, 'x,B') | strcmp(tag, 'B') = 0
abs(qty) | abs(price) | abs(ratio) | ceil(price) | ceil(ratio) | floor(price) | floor(ratio) | floor(qty)
round(price) | round(price, 1) | round(ratio) | round(ratio, 1) | round(qty, -1) | round(price, -1)
truncate(price, 1) | truncate(ratio, 1) | truncate(qty, -1) | sign(price) | pow(qty, 2) | power(ratio, 2)
sqrt(price) | sqrt(qty) | exp(ratio / 1000) | ln(price) | log(2, id) | log(price) | log10(price) | log2(id)
floor(pi() * 1000000000) | sin(ratio) | cos(ratio) | atan(ratio) | degrees(ratio) | radians(ratio) | acos(ratio)
bit_count(qty & 7) | date(made) | date(fine) | year(born) | month(made) | day(seen) | dayofmonth(born) | hour(made)
minute(made) | second(made) | second(fine) | hour(spent) | minute(spent) | second(spent) | hour(born)
quarter(born) | week(born) | week(born, 0) | week(made, 1) | week(born, 3) | week(born, 5) | weekofyear(born)
yearweek(born, 1) | yearweek(born, 3) | dayofweek(born) | weekday(born) | dayofyear(made) | dayname(born)
monthname(born) | last_day(born) | last_day(made) | microsecond(fine) | time(made) | extract(year from made)
extract(year_month from made) | extract(hour from made) | born + interval 1 day | born + interval 1 month
born - interval 1 year | born + interval qty day | born + interval id * 2 week | born + interval 90 minute
made + interval 1 month | made - interval 36 hour | made + interval '1:30' hour_minute
made + interval '-1 2:3:4' day_second | born + interval '1-2' year_month | date_add(made, interval -1 quarter)
date_sub(made, interval 5 second) | adddate(born, 10) | subdate(made, 3) | adddate(born, interval 1 week)
interval 1 day + born | timestampadd(minute, 5, made) | fine + interval 5 microsecond
timestampadd(month, id, born) | date_add('2024-01-31', interval 1 month) | spent + interval 1 hour
made + interval qty second | datediff(born, '2024-01-01') | datediff(made, born) | datediff(fine, made)
timestampdiff(day, born, made) | timestampdiff(month, born, made) | timestampdiff(month, fine, made)
timestampdiff(year, made, '2024-06-15') | timestampdiff(quarter, made, fine) | timestampdiff(hour, made, fine)
timestampdiff(second, fine, made) | timestampdiff(week, made, fine)
timestampdiff(minute, born, '2024-02-28 12:30:00') | timestampdiff(month, '2024-01-31', born)
timestampdiff(microsecond, made, fine) | to_days(born) | from_days(738886) | from_days(to_days(born))
unix_timestamp(made) | unix_timestamp(seen) | unix_timestamp(born) | unix_timestamp(fine)
from_unixtime(86400 * id) | makedate(2024, 60) | makedate(2023, id - 3) | sec_to_time(qty) | sec_to_time(4000000)
time_to_sec(spent) | time_to_sec(made) | timediff(made, seen) | timediff(spent, '01:00:00')
date_format(made, '%Y-%m-%d %H:%i:%s') | date_format(born, '%d.%m.%y') | date_format(made, '%e %M %Y, %l:%i %p')
date_format(made, '%W %a %b %c %j %D') | date_format(fine, '%T.%f') | date_format(made, 'Year %Y %% "x"')
date_format(born, '%x-W%v') | date_format(made, '%k %h %I %r') | from_unixtime(0, '%Y %H') | born = '2024-02-29'
born > '2024-1-1' | born < '2024-01-31 10:00:00' | made > born | made >= '2024-01-31'
made between '2024-01-01' and '2024-12-31' | seen < made | seen > '2024-01-01 00:00:00'
born in ('2024-01-31', '2000-12-31') | made = '2024-02-29' | spent > '10:00:00' | born = made
date '2024-01-31' = born | timestamp '2024-01-31 23:59:59' = made | born is null | cast(qty as char)
cast(price as char(3)) | cast(born as char) | convert(name using utf8mb4) | cast(price as signed)
cast('12' as signed) | cast(qty as unsigned) | cast(id as unsigned) | cast(price as decimal(10,1))
cast(qty as decimal(10,2)) | cast('1.255' as decimal(10,2)) | cast(made as date) | cast(born as datetime)
cast(fine as datetime(6)) | cast(made as time) | cast('2024-02-03' as date) | cast(qty as double)
cast(price / 3 as char) | cast(qty > 2 as signed) | convert(price, signed) | cast(name as binary) = 'hello'
name like 'hello%' | name like '%O%' | name not like 'h%' | name like 'h_llo' | tag like 'b' | tag like '%,%'
name like '%10\\%\\_%' | kind like 'o%' | name like '%10|%%' escape '|' | qty like '1%' | born like '2024%'
name like '' | name regexp '^h' | name rlike 'L+o$' | tag regexp 'b' | tag regexp '[.]' | name not regexp '^hello$'
tag regexp '^[a-c](,[a-c])*$' | kind = 'new' | kind <> 'new' | kind in ('new', 'old') | upper(kind) | kind
length(kind) | marks = 'a,c' | marks = '' | marks <> 'b' | marks in ('a,b,c', 'b') | marks like '%b%'
concat(marks, '!') | marks is null | name = '' | tag = 'B' | tag < 'b' | tag between 'a' and 'c' | tag in ('B', 'x')
raw = 'abc' | raw = x'41' | name collate utf8mb4_bin = 'hello' | binary name = 'hello' | _utf8mb4'b' = tag
n'b' = tag | 'a' 'b' | "it's" | 'back\\\\slash' | 'tab\\t' | 1.50 | 1e3 | true | false | null | 007
json_extract(doc, '$.a') | json_extract(doc, '$.a.b') | json_unquote(json_extract(doc, '$.a.b[2]'))
json_unquote(json_extract(doc, '$.n')) | json_unquote(json_extract(doc, '$.t')) | json_length(doc)
json_length(doc, '$.a') | json_object('q', qty, 'n', tag) | json_array(qty, price, null, 'x')
json_extract(doc, '$[1]') | json_unquote(json_extract(doc, '$.missing')) | (select count(*) from owners)
(select name from owners o where o.id = items.owner) | exists (select 1 from owners o where o.id = owner)
owner in (select id from owners) | owner not in (select id from owners where id > 1)
qty > all (select id from owners) | qty = any (select o.id + 1 from owners o) | (qty, small) = (3, 7)
(qty, owner) in ((3, 1), (0, 2)) | row(qty, small) <> row(3, 7) | (owner, 'Ann') in (select id, name from owners)
cast(tag as signed) | cast(concat(id, name) as signed) | cast(name as unsigned) | cast(' -7x' as signed)
cast(ratio as signed) | cast(price / 3 as signed) | qty / price > 0 | qty / 3 between 1 and 1.0001
owner / price = 0 | case when id > 3 then owner else id end
"""


def _listed(block: str) -> list[str]:
    return [part.strip() for line in block.strip().splitlines() for part in line.split(" | ")]


# Those with a bar of their own cannot stand in the list.
CASES = [*_listed(EXPRESSIONS), "id | 8", "id | small & 7"]


def _as_python(written: str) -> str:
    return written.replace("\\\\", "\\")


@pytest.mark.parametrize("written", CASES)
def test_expression(both: Both, written: str) -> None:
    written = _as_python(written)
    made = rewrite_expression(written, both.scope, "items")
    expected = mysql_rows(both.source, f"SELECT ({written}) FROM items ORDER BY items.id")
    found = rows(both.target, f"SELECT ({made.sql}) FROM things ORDER BY things.id")
    pairs = list(zip(expected, found, strict=True))
    assert all(alike(one[0], other[0]) for one, other in pairs), f"{made.sql}: {pairs}"


CONDITIONS = _listed(
    """
qty | price | ratio | flag | not flag | qty and flag | qty > 1 or flag | 1 | 0 | true | null | not qty
qty = 3 = flag | find_in_set('a', marks) | not find_in_set('a', marks) | qty - 3 | if(qty > 2, flag, 0)
case when qty > 2 then qty else 0 end | coalesce(qty, 0) | active | qty & 1
exists (select 1 from owners where id = qty) | qty xor flag | name like 'h%' and qty | (qty) | json_length(doc)
"""
)


@pytest.mark.parametrize("written", CONDITIONS)
def test_condition(both: Both, written: str) -> None:
    made = rewrite_expression(written, both.scope, "items", condition=True)
    expected = mysql_rows(both.source, f"SELECT id FROM items WHERE {written} ORDER BY id")
    assert rows(both.target, f"SELECT id FROM things WHERE {made.sql} ORDER BY id") == expected, made.sql


# A line that begins with spaces goes on with the one before.
QUERIES = (
    """
select * from owners order by id
select id, qty, name from items order by qty, id
select id from items order by qty desc, id
select id from items order by kind, id
select i.id, o.name from items i left join owners o on o.id = i.owner order by i.id
select i.id, o.name from items as i, owners as o where i.owner = o.id order by i.id desc limit 2
select i.id from items i join owners o on o.id = i.owner and o.name = 'Ann' order by i.id limit 1, 2
select i.id from items i cross join owners o order by i.id, o.id limit 3 offset 4
select o.id, i.id as item from items i right join owners o on o.id = i.owner order by o.id, i.id
select owner, count(*), sum(qty), avg(qty), min(price), max(born) from items group by owner order by owner
select owner as o, sum(qty > 0) as positive from items group by o having positive > 0 order by positive desc, o
select owner, sum(price / 3), avg(price), sum(ratio), avg(ratio) from items group by owner order by owner
select count(distinct owner), count(distinct owner, qty), sum(distinct qty), count(flag), sum(flag) from items
select bit_or(id), bit_and(id), bit_xor(id) from items
select bit_or(id), bit_and(id), bit_xor(id), sum(id), count(id) from items where id > 100
select round(std(qty), 3), round(stddev_samp(qty), 3), round(variance(price), 2), round(var_samp(ratio), 3) from items
select group_concat(id order by id) from items
select group_concat(tag order by id desc separator '; ') from items
select group_concat(distinct owner order by owner desc separator '-') from items
select owner, group_concat(qty, ':', id order by id) from items group by owner order by owner
select group_concat(distinct owner order by owner) from items where owner is null
select min(tag), max(kind), min(fine), max(spent) from items
select sum(qty) / count(*), sum(price) / sum(qty), avg(qty) * 3 from items
select year(made) as y, month(made) as m, count(*) as n from items group by y, m order by y, m
select distinct owner from items order by owner
select distinct qty > 2 as big from items order by big
select id from items where id in (select owner from items where owner is not null) order by id
select id from items i where exists (select 1 from items j where j.owner = i.id) order by id
select x.n, x.o from (select owner as o, count(*) as n from items group by owner) as x where x.n > 1 order by x.o
select t.* from (select id, price / 3 as third from items) t order by t.id
select id from items where qty > 0 union select id from owners order by id
select id as n from items union all select id from owners order by n desc limit 4
(select id from items order by id limit 2) union all (select id from owners order by id desc limit 1) order by 1
with big as (select id, qty from items where qty > 2) select b.id, b.qty * 2 from big b order by b.id
with recursive c (n) as (select 1 union all select n + 1 from c where n < 5) select n from c order by n
with recursive c as (select id, name, 0 as depth from owners where id = 1 union all select o.id, o.name, c.depth + 1
  from owners o join c on o.id = c.id + 1) select id, name, depth from c order by id
select id, row_number() over (partition by owner order by id desc) as r from items order by id
select id, rank() over (order by qty), dense_rank() over (order by qty desc), ntile(2) over (order by id) from items
  order by id
select id, lag(qty) over (order by id), lead(qty, 2) over (order by id), first_value(id) over (partition by owner
  order by id) from items order by id
select id, sum(qty) over (order by id rows between 1 preceding and current row) from items order by id
select id, avg(qty) over (partition by owner), count(*) over () from items order by id
select id, floor(percent_rank() over w * 1000), floor(cume_dist() over w * 1000) from items window w as (order by id)
  order by id
select 1 from dual
select 1, 'x', 1 > 2, null is null
select id from items use index (primary) where id = 1
select straight_join i.id from items i join owners o on o.id = i.owner order by i.id
select id from items order by flag, id
select case when qty > 2 then 'a' else 'b' end as k, count(*) from items group by k order by k
select id, (select max(o.id) from owners o where o.id <= items.id) as m from items order by m, id
select count(*) from items join owners using (id)
select id, owners.name from items join owners using (id) order by id
select i.id from items i where i.owner = (select min(o.id) from owners o) order by i.id
select max(id) from items having count(*) > 3
select id, price from items where price between 0 and 11 order by price desc, id
select kind, count(*) from items group by kind order by kind
select coalesce(name, 'x') as name from owners order by id
select lower(tag) as l from items group by l order by l
select sum(case when flag then 1 else 0 end) as on_, sum(if(qty is null, 1, 0)) as none_ from items
""".strip()
    .replace("\n  ", " ")
    .splitlines()
)


@pytest.mark.parametrize("written", QUERIES)
def test_query(both: Both, written: str) -> None:
    made = rewrite_statement(written, both.scope)
    expected = mysql_rows(both.source, written)
    found = rows(both.target, made.sql)
    assert len(found) == len(expected), f"{made.sql}: {expected} {found}"
    same = [
        alike(one, other)
        for row, twin in zip(expected, found, strict=True)
        for one, other in zip(row, twin, strict=True)
    ]
    assert expected
    assert all(same), f"{made.sql}: {expected} {found}"


# The source puts a rollup's groups in an order of its own.
VIEWS = [*QUERIES, "select owner, count(*) from items where owner is not null group by owner with rollup"]


@pytest.mark.parametrize("written", VIEWS)
def test_view_as_the_server_writes_it(both: Both, written: str) -> None:
    mysql(both.source, f"CREATE OR REPLACE VIEW seen_again AS {written}")
    query = "SELECT VIEW_DEFINITION FROM information_schema.views WHERE table_schema = DATABASE()"
    ((text,),) = mysql_rows(both.source, query)
    try:
        made = rewrite_statement(text, both.scope)
    except UntranslatableError as error:
        pytest.fail(f"{error.construct}: {text}")
    expected = sorted(map(repr, map(_comparable, mysql_rows(both.source, written))))
    assert sorted(map(repr, map(_comparable, rows(both.target, made.sql)))) == expected, f"{text}: {made.sql}"


def _comparable(row: tuple[Any, ...]) -> list[Any]:
    made = []
    for value in row:
        value = plain(value)
        if isinstance(value, bytes) and len(value) == 1:
            value = value[0]
        if isinstance(value, int | float | Decimal):
            value = f"{float(value):.12g}"
        made.append(value)
    return made


STATEMENTS = [
    "insert into items (id, qty, price, name) values (7, '8', 1.5, 'seven'), (8, null, 2, concat('e', 'ight'))",
    "insert into items set id = 9, flag = 1, marks = 'a,b', kind = 'old', born = '2024-1-5', spent = '01:02:03', "
    "raw = 'abc'",
    "insert ignore into items (id, qty) values (1, 99), (20, 5)",
    "insert into owners select id + 10, name, since from owners",
    "insert into owners (id, name) select id + 20, qty from items union all select 99, 'x'",
    "insert into items (id, flag, active) select id + 100, qty > 2, qty > 2 from items",
    "update items set qty = qty + 1 where name like 'hello%'",
    "update items set price = price / 3, flag = not flag, name = upper(name)",
    "update items as i set i.qty = 0, made = born, i.born = '2024-02-29' where i.id = 2",
    "update items i join owners o on o.id = i.owner set i.name = o.name, i.born = o.since where o.id < 2",
    "update items, owners set items.qty = owners.id where items.owner = owners.id",
    "update items i, owners o set o.name = 'changed' where o.id = i.owner and i.id = 1",
    "update items set kind = 'new', marks = 'c' where id = 3",
    "update items set qty = (select max(id) from owners) where owner is null",
    "delete from items where qty > 2",
    "delete from items where owner in (select id from owners where name = 'Ann')",
    "delete i from items i join owners o on o.id = i.owner where o.name = 'Ann'",
    "delete from items using items join owners o on o.id = items.owner where o.id = 2",
    "delete o from items i, owners as o where o.id = i.owner and i.id = 1",
    "delete from owners where not id",
]
_STATE = "SELECT {} FROM {} ORDER BY id"


@pytest.mark.parametrize("written", STATEMENTS)
def test_statement(source_db: Server, target_db: Server, both: Both, written: str) -> None:
    mysql(source_db, *SOURCE, *inserts("source"), written)
    made = rewrite_statement(written, Scope(source_db.name, both.scope.relations))
    postgres(target_db, *TARGET, *inserts("target"), made.sql)
    for table, target, columns in (
        ("items", "things", "id, {}, price, flag+0, active, name, kind, marks+0, born, made, spent, raw, owner"),
        ("owners", "owners", "id, name, since"),
    ):
        expected = mysql_rows(source_db, _STATE.format(columns.format("qty"), table))
        given = columns.format("quantity").replace("flag+0", "flag::int")
        bits = "(SELECT sum(CASE m WHEN 'a' THEN 1 WHEN 'b' THEN 2 ELSE 4 END) FROM unnest(marks) AS m)"
        given = given.replace("marks+0", f"CASE WHEN marks IS NOT NULL THEN COALESCE({bits}, 0) END")
        found = rows(target_db, _STATE.format(given, target))
        assert len(found) == len(expected), made.sql
        for row, twin in zip(expected, found, strict=True):
            assert all(alike(one, other) for one, other in zip(row, twin, strict=True)), f"{made.sql}: {row} {twin}"
