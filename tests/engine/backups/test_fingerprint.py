"""The checksum of a table tells every other content apart, and no other order of the rows."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudwiki.embedded.binaries import find_postgres
from releases.actions import registry
from releases.actions.backup_database import SUMS
from tests.engine.database import Server, keys, new_database

SQL_FILE = Path(registry.__file__).parent / "scripts" / "fingerprint.sql"
MEAL = """
CREATE TABLE meal (gone int, name text, note text, price numeric, photo bytea);
ALTER TABLE meal DROP COLUMN gone;
INSERT INTO meal VALUES ('a', 'b', 1.0, NULL), ('c', 'd', 2.50, '\\x00'), ('', NULL, NULL, NULL), ('a', 'b', 1.0, NULL);
"""
OTHERS = {
    "values change rows": "UPDATE meal SET note = CASE note WHEN 'b' THEN 'd' ELSE 'b' END WHERE note IS NOT NULL",
    "values change columns": "UPDATE meal SET name = note, note = name WHERE name = 'c'",
    "every row changes columns": "UPDATE meal SET name = note, note = name",
    "nothing becomes empty": "UPDATE meal SET note = '' WHERE note IS NULL",
    "empty becomes nothing": "UPDATE meal SET name = NULL WHERE name = ''",
    "one digit": "UPDATE meal SET price = 2.51 WHERE name = 'c'",
    "a zero at the end": "UPDATE meal SET price = 2.5 WHERE name = 'c'",
    "a row more and one fewer": "DELETE FROM meal WHERE name = ''; INSERT INTO meal VALUES ('c', 'd', 2.50, '\\x00')",
    "a byte": "UPDATE meal SET photo = '\\x01' WHERE name = 'c'",
    "a column's name": "ALTER TABLE meal RENAME note TO remark",
}


@pytest.fixture
def server(db: None) -> Iterator[Server]:
    with new_database() as made:
        made.session.execute(MEAL)
        yield made


def read(server: Server, tmp_path: Path, sums: str = SUMS) -> tuple[int, str]:
    """Rows and sum of the table."""
    name = server.parameters["database"]
    words = " ".join(f"{key}='{value}'" for key, value in ({**keys(), "dbname": name}).items())
    program = find_postgres().path.parent / "psql"
    command = [program, "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", f"sums={sums}", "-d", words, "-f", SQL_FILE]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    (found,) = [entry for entry in entries if entry.get("table") == "public.meal"]
    return found["rows"], found["sum"]


@pytest.mark.parametrize("change", OTHERS)
def test_other_content_has_another_sum(server: Server, tmp_path: Path, change: str) -> None:
    before = read(server, tmp_path)
    server.session.execute(OTHERS[change])
    after = read(server, tmp_path)
    assert after[0] == before[0] == 4
    assert after[1] != before[1]


def test_the_sum_of_a_row_has_more_than_32_bits(server: Server, tmp_path: Path) -> None:
    server.session.execute("DROP TABLE meal; CREATE TABLE meal (id int); INSERT INTO meal VALUES (15062), (7)")
    before = read(server, tmp_path)
    server.session.execute("UPDATE meal SET id = 119856 WHERE id = 15062")
    assert read(server, tmp_path)[1] != before[1]


@pytest.mark.parametrize("way", ["columns", "hash", "md5"])
@pytest.mark.parametrize("body", ["RETURN 'same'", "RAISE 'no'", "CREATE TABLE ran (); RETURN 'same'"])
def test_a_cast_that_somebody_made_is_not_asked(server: Server, tmp_path: Path, body: str, way: str) -> None:
    server.session.execute(f"""
        DROP TABLE meal;
        CREATE TYPE pair AS (x int, y text);
        CREATE TABLE meal (v pair, many pair[]);
        INSERT INTO meal VALUES ((1, 'a'), ARRAY[(1, 'a')::pair]), (NULL, NULL);
        CREATE FUNCTION show(pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
        CREATE CAST (pair AS text) WITH FUNCTION show(pair);
        CREATE FUNCTION show(meal) RETURNS text LANGUAGE plpgsql AS $$ BEGIN {body}; END $$;
        CREATE CAST (meal AS text) WITH FUNCTION show(meal);
    """)
    sums = {read(server, tmp_path, way)[1]}
    for change in ("v = (2, 'a')", "many = ARRAY[(1, 'b')::pair]", "v = NULL"):
        server.session.execute(f"UPDATE meal SET {change} WHERE v IS NOT NULL")
        sums.add(read(server, tmp_path, way)[1])
    assert len(sums) == 4
    found = server.session.execute("SELECT to_regclass('ran')").fetchone()
    assert found == (None,)


def test_the_same_rows_in_another_order_and_table_have_the_same_sum(server: Server, tmp_path: Path) -> None:
    before = read(server, tmp_path)
    server.session.execute("""
        ALTER TABLE meal RENAME TO other;
        CREATE TABLE meal (photo bytea, price numeric, note text, name text);
        INSERT INTO meal SELECT photo, price, note, name FROM other ORDER BY name DESC;
    """)
    assert read(server, tmp_path) == before


def test_every_type_can_be_summed_up(server: Server, tmp_path: Path) -> None:
    server.session.execute("""
        CREATE TYPE mood AS ENUM ('good', 'bad');
        CREATE TYPE pair AS (x int, y text);
        CREATE DOMAIN short AS varchar(5);
        DROP TABLE meal;
        CREATE TABLE meal (a char(3), b json, c jsonb, e point, f int[], g mood, h pair, i short, j inet, k bit(3),
          l "char", m interval, n tsvector, o int4range, p money, q regclass, r boolean, s uuid, t double precision,
          u text COLLATE "C", v name, w oid, x pg_lsn, y time with time zone, z pair[],
          generated int GENERATED ALWAYS AS (f[1] + 1) STORED);
        INSERT INTO meal DEFAULT VALUES;
        INSERT INTO meal VALUES ('a', '{"a": 1}', '{"b": 2}', '(1,2)', '{1,2}', 'bad', (1, 'x'), 'abc', '::1', '101',
          'c', '1 day', 'a b', '[1,3)', 1, 'meal', true, '00000000-0000-0000-0000-000000000001', 'NaN',
          'u', 'v', 1, '0/1', '12:00+09', ARRAY[(1, 'y')]::pair[]);
    """)
    rows, found = read(server, tmp_path)
    assert rows == 2 and int(found)
