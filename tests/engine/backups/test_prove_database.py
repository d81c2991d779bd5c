"""A dump is proved by a restore: what holds the same passes, whatever is damaged does not."""

import hashlib
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone
from django.utils.translation import override
from psycopg.sql import SQL, Identifier

from cloudwiki.embedded.binaries import find_postgres
from releases import lifecycle
from releases.actions import backup_database, prove_backup
from releases.actions.prove_backup import Proved
from releases.models import Attempt, Backup
from releases.remote.connection import open_transport
from releases.remote.steps import StepClient, StepScript
from tests.engine.actions.test_backup_files import shim
from tests.engine.database import Server, databases, keys, new_database
from tests.engine.stage import STEP, Stage

CONTENT = """
CREATE EXTENSION vector;
CREATE TABLE meal (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, taste vector(3), at timestamptz,
                   price numeric, "odd ""name" float8, photo bytea, row_ text);
INSERT INTO meal (name, taste, at, price, "odd ""name", photo, row_)
  SELECT 'meal ' || n || repeat('점심', n % 7), ARRAY[n, n / 3.0, -n]::vector,
         timestamptz '2026-01-01' + n * interval '1 h',
         n / 7.0, n / 7.0, decode(md5(n::text), 'hex'), CASE n % 3 WHEN 0 THEN NULL ELSE chr(9) || chr(10) || n END
    FROM generate_series(1, 3000) AS n;
CREATE SCHEMA "odd ' schema";
CREATE TABLE "odd ' schema"."t""a	b" (x int REFERENCES meal);
INSERT INTO "odd ' schema"."t""a	b" VALUES (1), (1), (2);
CREATE TABLE nothing ();
CREATE TABLE parted (day date, n int) PARTITION BY RANGE (day);
CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parted VALUES ('2026-05-05', 5);
CREATE INDEX by_price ON meal (price);
CREATE VIEW cheap AS SELECT * FROM meal WHERE price < 100;
CREATE MATERIALIZED VIEW dear AS SELECT id FROM meal WHERE price > 100;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON meal FOR EACH ROW EXECUTE FUNCTION touch();
CREATE SEQUENCE tickets;
SELECT setval('tickets', 41);
SELECT lo_from_bytea(0, 'a large object');
"""


@pytest.fixture
def server(db: None) -> Iterator[Server]:
    with new_database() as made:
        made.session.execute(CONTENT)
        yield made


@pytest.fixture(params=["plain", "custom"])
def backup(request: pytest.FixtureRequest, stage: Stage, server: Server) -> Backup:
    done = stage.perform("backup_database", {**server.parameters, "format": request.param, "destination": "dump"})
    assert done.problem == ""
    return Backup.objects.get()


def prove(stage: Stage, backup: Backup, leaves: int = 0) -> tuple[str, Proved | None]:
    """What the machine says, and what was found when it could be restored; `leaves` databases of its own."""
    name, printed = f"proof-{uuid.uuid4().hex}", bytearray()
    script = prove_backup.proof_script([backup], name, "prove")
    transport = open_transport(stage.server.target)
    try:
        client = StepClient(transport, str(stage.folder / "attempts"))
        step = StepScript(name, script.text.encode(), script.parameters, {}, "proof", 1, 60, None)
        status = client.launch_and_follow(step, 0, printed.extend, lambda: False)
        assert (status.state, status.reason) == ("finished", ""), printed
        if status.exit_code:
            return prove_backup.reason(bytes(printed))[0] or printed.decode(), None
        return "", prove_backup.read_result(transport, backup, name, 1)
    finally:
        transport.close()
        left = [each for each in databases() if name[-32:] in each]
        for each in left:
            with psycopg.connect(**keys(), dbname="postgres", autocommit=True) as session:
                session.execute(SQL("DROP DATABASE {}").format(Identifier(each)))
        assert len(left) == leaves


def test_a_whole_dump_is_proved_and_nothing_is_left(stage: Stage, server: Server, backup: Backup) -> None:
    assert backup.facts is not None
    assert backup.facts["tables"]["public.meal"][0] == 3000
    assert backup.facts["sums"] == "columns"
    assert backup.facts["extensions"].keys() == {"vector"}
    assert backup.facts["sequences"]["public.tickets"] == [41, 41]
    said, found = prove(stage, backup)
    assert (said, found and found.differences) == ("", [])
    assert found is not None and found.seconds > 0
    assert not list(stage.home.glob(".*.work"))


def pg_dump(server: Server, path: Path, backup: Backup, *options: str) -> None:
    """Dump again, in a way that leaves something out."""
    parameters = server.parameters
    form = backup.parameters.get("format", "plain")
    reach = [f"--{name}={parameters[name]}" for name in ("host", "port") if name in parameters]
    program = find_postgres().path.with_name("pg_dump")
    database = ["-U", parameters["user"], "-d", parameters["database"]]
    subprocess.run([program, f"--format={form}", f"--file={path}", *reach, *database, *options], check=True)


def cut(part: float) -> Callable[[Server, Path, Backup], None]:
    return lambda server, path, backup: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)]) and None


def flip(server: Server, path: Path, backup: Backup) -> None:
    data = bytearray(path.read_bytes())
    place = data.find(b"meal 1500")
    data[place + 6 if place > 0 else len(data) * 3 // 4] ^= 0x01
    path.write_bytes(data)


def zeros(server: Server, path: Path, backup: Backup) -> None:
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)


def another_database(server: Server, path: Path, backup: Backup) -> None:
    with new_database() as other:
        other.session.execute("CREATE EXTENSION vector; CREATE TABLE meal (id int); INSERT INTO meal VALUES (1)")
        pg_dump(other, path, backup)


def after(statement: str, *options: str) -> Callable[[Server, Path, Backup], None]:
    """A dump that was made when the database held something else than what was recorded."""

    def made(server: Server, path: Path, backup: Backup) -> None:
        server.session.execute(statement)
        pg_dump(server, path, backup, *options)

    return made


DAMAGES: dict[str, Callable[[Server, Path, Backup], Any]] = {
    "cut in the middle": cut(0.5),
    "cut near the end": cut(0.97),
    "a bit flipped": flip,
    "a block of zeros": zeros,
    "empty": cut(0),
    "another database": another_database,
    "without the extension": after("SELECT 1", "--extension=plpgsql", "--table=meal"),
    "without a table": after("SELECT 1", "--exclude-table=parted_2026"),
    "without rows": after("SELECT 1", "--schema-only"),
    "a row lost": after("DELETE FROM meal WHERE id = 2999"),
    "a value changed": after("UPDATE meal SET price = price + 1 WHERE id = 1500"),
    "a sequence behind": after("SELECT setval('tickets', 40)"),
    "without an index": after("DROP INDEX by_price"),
    "without a trigger": after("DROP TRIGGER touched ON meal"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_dump_is_refuted(stage: Stage, server: Server, backup: Backup, damage: str) -> None:
    path = Path(backup.location)
    DAMAGES[damage](server, path, backup)
    if path.read_bytes() and damage != "empty":
        assert prove(stage, backup)[0] == "damaged", "its SHA-256 is another one"
    # Even where the damage was there before the digest was taken:
    backup.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    said, found = prove(stage, backup)
    assert said == "not restored" or (found is not None and found.differences), (said, found)


def test_a_dump_that_several_processes_made(stage: Stage, server: Server) -> None:
    parameters = {**server.parameters, "format": "custom", "jobs": 3, "destination": "dump"}
    done = stage.perform("backup_database", parameters)
    assert done.problem == "" and "pg_dump -Fd -j 3" in done.log, done.log
    backup, path = Backup.objects.get(), stage.home / "dump"
    said, found = prove(stage, backup)
    assert (said, found and found.differences) == ("", [])
    assert [left.name for left in stage.home.glob(".*") if left.name.endswith((".d", ".part", ".work"))] == []
    whole = path.read_bytes()
    with tarfile.open(path) as parts:
        largest = max(parts.getmembers(), key=lambda part: part.size)
        middle = largest.offset_data + largest.size // 2
    for damaged in (whole[: len(whole) // 2], whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], b""):
        path.write_bytes(damaged)
        backup.sha256 = hashlib.sha256(damaged).hexdigest()
        assert prove(stage, backup) == ("not restored", None)


def test_a_machine_without_room_to_unpack_says_nothing_about_the_backup(stage: Stage, server: Server) -> None:
    parameters = {**server.parameters, "format": "custom", "jobs": 2, "destination": "dump"}
    assert stage.perform("backup_database", parameters).problem == ""
    backup, first = Backup.objects.get(), stage.home / "asked"
    shim(stage, "df", f"echo h; [ -e {first} ] && free=1030 || free=9000000; touch {first}; echo /dev/x 9 9 $free 9% /")
    assert prove(stage, backup)[0] == "interrupted"
    (stage.home / "bin" / "df").unlink()
    assert prove(stage, backup)[0] == ""


@pytest.mark.parametrize("way", ["md5", "hash"])
def test_a_dump_of_an_earlier_version_is_summed_up_as_it_was(
    stage: Stage, server: Server, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(backup_database, "SUMS", way)
    assert stage.perform("backup_database", {**server.parameters, "destination": "dump"}).problem == ""
    backup = Backup.objects.get()
    assert backup.facts is not None and backup.facts["sums"] == way
    if way == "md5":
        del backup.facts["sums"]  # not told at that time
    said, found = prove(stage, backup)
    assert (said, found and found.differences) == ("", [])
    backup.facts["sums"] = "columns"
    assert (other := prove(stage, backup)[1]) and "public.meal" in " ".join(other.differences)


def test_a_dump_that_is_gone_and_one_without_facts(stage: Stage, backup: Backup) -> None:
    backup.facts = None
    said, found = prove(stage, backup)
    assert said == ""
    assert found is not None and len(found.differences) == 1
    Path(backup.location).unlink()
    assert prove(stage, backup)[0] == "not there"


def test_it_is_the_same_while_the_database_is_written(stage: Stage, server: Server) -> None:
    """The facts are of the snapshot of the dump: rows that come while it is made are in neither."""
    writes = """
    DO $$ BEGIN FOR n IN 1..200 LOOP
      INSERT INTO meal (name) VALUES ('new ' || nextval('tickets')); COMMIT; PERFORM pg_sleep(0.005);
    END LOOP; END $$"""
    program = find_postgres().path.with_name("psql")
    parameters = server.parameters
    reach = [f"--{name}={parameters[name]}" for name in ("host", "port") if name in parameters]
    database = ["-U", parameters["user"], "-d", parameters["database"]]
    with subprocess.Popen([program, "-qX", *reach, *database, "-c", writes]) as writer:
        done = stage.perform("backup_database", {**parameters, "destination": "dump"})
        assert writer.wait() == 0
    assert done.problem == ""
    said, found = prove(stage, Backup.objects.get())
    assert (said, found and found.differences) == ("", [])


def test_a_user_with_one_connection_still_gets_a_dump(stage: Stage, server: Server) -> None:
    name = server.parameters["database"]
    server.session.execute("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")  # only their owner dumps them
    server.session.execute(f'CREATE ROLE "one_{name}" LOGIN CONNECTION LIMIT 1 IN ROLE pg_read_all_data')
    try:
        parameters = {**server.parameters, "user": f"one_{name}", "destination": "dump"}
        done = stage.perform("backup_database", parameters)
        assert done.problem == "", done.log
        assert "can not be proved" in done.log
        assert Backup.objects.get().facts is None
        assert not list(stage.home.glob(".*.work"))
    finally:
        server.session.execute(f'DROP ROLE "one_{name}"')


def test_databases_that_killed_proofs_left_are_removed_after_half_a_day(stage: Stage, backup: Backup) -> None:
    mark = uuid.uuid4().hex[:8]
    ages = {"old": 50_000, "young": 40_000, "foreign": 50_000}
    with psycopg.connect(**keys(), dbname="postgres", autocommit=True) as admin:
        for kind, age in ages.items():
            admin.execute(f'CREATE DATABASE "cloudwiki_proof_{kind}_{mark}"')
            words = "somebody else made it" if kind == "foreign" else "cloudwiki: a proof, begun"
            name, comment = f"cloudwiki_proof_{kind}_{mark}", f"{words} {int(time.time()) - age}"
            admin.execute(f"COMMENT ON DATABASE \"{name}\" IS '{comment}'")
        try:
            assert prove(stage, backup)[0] == ""
            left = {name for name in databases() if name.endswith(mark)}
            assert left == {f"cloudwiki_proof_{kind}_{mark}" for kind in ("young", "foreign")}
        finally:
            for kind in ages:
                admin.execute(f'DROP DATABASE IF EXISTS "cloudwiki_proof_{kind}_{mark}"')


def test_a_server_that_breaks_off_says_nothing_about_the_backup(stage: Stage, backup: Backup) -> None:
    """The same words that psql and pg_restore print when the disk is full."""
    for program in ("psql", "pg_restore"):
        real = find_postgres().path.with_name(program)
        shim = stage.home / "bin" / program
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(
            f'#!/bin/sh\ncase "$*" in *single-transaction*|*exit-on-error*)\n'
            f'echo "ERROR:  could not extend file: No space left on device" >&2; exit 3;; esac\nexec {real} "$@"\n'
        )
        shim.chmod(0o755)
    assert prove(stage, backup)[0] == "interrupted"


def test_a_server_whose_disk_filled_up_is_not_asked_to_drop_anything(stage: Stage, backup: Backup) -> None:
    first = stage.home / "asked"  # there is room when the proof begins, and none when it ends
    shim(stage, "df", f"echo h; [ -e {first} ] && free=900 || free=9000000; touch {first}; echo /dev/x 9 9 $free 9% /")
    said, found = prove(stage, backup, leaves=1)
    assert (said, found and found.differences) == ("", [])


def test_a_step_proves_what_an_earlier_one_made(stage: Stage, server: Server) -> None:
    steps = [
        {
            **STEP,
            "key": "keep",
            "action": "backup_database",
            "parameters": {**server.parameters, "destination": "dump"},
        },
        {**STEP, "key": "proof", "action": "prove_backup", "parameters": {"backup": "keep"}},
    ]
    deployment = stage.draft(steps)
    assert stage.attempt(deployment, step="keep").problem == ""
    done = stage.attempt(deployment, step="proof")
    assert done.problem == ""
    backup = Backup.objects.get()
    assert backup.proved_at is not None
    assert done.context.evidence["proved"] == [{"id": backup.pk, "name": "dump", "seconds": backup.restore_seconds}]
    Attempt.objects.filter(pk=done.context.attempt.pk).update(status=lifecycle.SUCCEEDED, finished_at=timezone.now())
    server.session.execute("DELETE FROM meal WHERE id = 7")
    pg_dump(server, Path(backup.location), backup)
    Backup.objects.update(sha256=hashlib.sha256(Path(backup.location).read_bytes()).hexdigest())
    with override("en"):
        again = stage.attempt(deployment, 2, step="proof")
    assert "dump: public.meal has 2999 rows in place of 3000." in again.problem
    backup.refresh_from_db()
    assert backup.proved_at is None
    assert [proof.ending for proof in backup.proofs.all()] == ["refuted", "proved"]
