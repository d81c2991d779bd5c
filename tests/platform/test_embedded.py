"""PostgreSQL and Valkey of our own, with real processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from cloudwiki.embedded import Addresses, EmbeddedError, Servers, addresses, binaries, postgres
from cloudwiki.embedded.account import Account, choose_account
from cloudwiki.environment import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
IS_ROOT = os.geteuid() == 0


def connect(found: Addresses) -> "psycopg.Connection[tuple[object, ...]]":
    settings = Environment().database("NO_SUCH_VARIABLE", found.database)
    return psycopg.connect(host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"], autocommit=True)


def write(found: Addresses) -> None:
    with connect(found) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    with redis.Redis.from_url(found.redis) as client:
        client.incr("kept")


def rows(found: Addresses) -> object:
    with connect(found) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        return row[0] if row else None


def keys(found: Addresses) -> object:
    with redis.Redis.from_url(found.redis) as client:
        return client.get("kept")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def holder(data: Path, script: str) -> "subprocess.Popen[str]":
    """Another supervisor process, which has started the servers once it has written a line."""
    code = f"""
import os, sys, time
from pathlib import Path
from cloudwiki.embedded import Servers, process
{script}
"""
    environment = os.environ | {"DATA": str(data), "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


START = 'servers = Servers(Path(os.environ["DATA"])); servers.start(); print("ready", flush=True); time.sleep(600)'


def test_starts_keeps_what_was_written_and_stops_at_once(parent: Path, folder: Path) -> None:
    before = parent.stat().st_mode
    with Servers(folder) as servers:
        found = servers.start()
        assert found == addresses(folder), "settings must find the servers without being told"
        write(found)
        busy = connect(found)
        busy.execute("BEGIN")
        began = time.monotonic()
        servers.stop()
        assert time.monotonic() - began < 4.5, "an open transaction must not hold up the stop"
        busy.close()
    with Servers(folder) as servers:
        found = servers.start()
        assert (rows(found), keys(found)) == (1, b"1")
    assert parent.stat().st_mode == before, "nothing outside the data folder may change"


def test_is_durable_and_opens_no_port(folder: Path) -> None:
    with Servers(folder) as servers:
        found = servers.start()
        with connect(found) as connection:
            shown = {
                name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()
                for name in ("fsync", "synchronous_commit", "listen_addresses", "server_version")
            }
            connection.execute("CREATE EXTENSION vector")
        with redis.Redis.from_url(found.redis) as client:
            kept = client.config_get("append*")
            port = client.config_get("port")
    assert shown["fsync"] == shown["synchronous_commit"] == ("on",)
    assert shown["listen_addresses"] == ("",)
    assert str(shown["server_version"]).startswith("('18.")
    assert (kept["appendonly"], kept["appendfsync"], port["port"]) == ("yes", "everysec", "0")


def test_servers_killed_with_9_are_started_again_with_their_data(folder: Path) -> None:
    with Servers(folder) as servers:
        found = servers.start()
        write(found)
        with redis.Redis.from_url(found.redis) as client:
            client.config_set("appendfsync", "always")  # the second of everysec is not what this tests
            client.incr("kept")
        for member in servers.members:
            assert member.process is not None
            member.process.kill()
            member.process.wait()
        assert sorted(servers.restart_dead()) == ["postgres", "valkey"]
        assert list(servers.restart_dead()) == []
        assert (rows(found), keys(found)) == (1, b"2")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent has died")
def test_servers_end_with_a_killed_supervisor(folder: Path) -> None:
    child = holder(folder, START)
    write(addresses(folder))
    servers = psutil.Process(child.pid).children()
    assert {process.name() for process in servers} == {"postgres", "valkey-server"}
    child.kill()
    child.wait()
    psutil.wait_procs(servers, timeout=10)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in servers)
    with Servers(folder) as again:
        assert rows(again.start()) == 1


def test_servers_that_outlived_a_killed_supervisor_are_replaced(folder: Path) -> None:
    child = holder(folder, "process._LIBC = None\n" + START)
    write(addresses(folder))
    orphans = psutil.Process(child.pid).children()
    child.kill()
    child.wait()
    assert len(orphans) == 2
    assert all(process.is_running() for process in orphans)
    with Servers(folder) as again:
        found = again.start()
        assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in orphans)
        assert (rows(found), keys(found)) == (1, b"1")


@pytest.mark.parametrize("whose", ["of this test", "of nobody"])
def test_a_stale_pid_file_is_no_obstacle(folder: Path, whose: str) -> None:
    with Servers(folder, durable=False) as servers:
        servers.start()
    ended = subprocess.Popen(["true"])
    ended.wait()
    pid = os.getpid() if whose == "of this test" else ended.pid
    pid_file = folder.joinpath("servers").resolve() / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{pid}\n{folder}/servers/postgres\n1\n5432\n{folder}/run\n\n0 0\nready   \n")
    shutil.chown(pid_file, pid_file.parent.stat().st_uid)
    with Servers(folder, durable=False) as servers:
        servers.start()
        assert int(pid_file.read_text().splitlines()[0]) != pid


def test_data_of_another_version_is_refused_and_left_alone(folder: Path) -> None:
    with Servers(folder, durable=False) as servers:
        servers.start()
    version = folder / "servers" / "postgres" / "PG_VERSION"
    version.write_text("16\n")
    with Servers(folder, durable=False) as servers, pytest.raises(EmbeddedError, match=r"made by PostgreSQL 16.*18"):
        servers.start()
    assert version.read_text() == "16\n"
    with Servers(folder) as servers:  # and the folder was let go of
        servers.start(postgres=False)


def test_half_made_data_is_made_anew(folder: Path) -> None:
    half = folder / "servers" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    for path in (folder, folder / "servers"):
        path.chmod(0o711)
    with Servers(folder, durable=False) as servers:
        write(servers.start())
    assert not half.exists()


def test_a_long_path_gets_short_sockets_that_are_cleared_away(parent: Path) -> None:
    data = parent / ("long-" * 18) / ("folder-" * 12)
    data.parent.mkdir(mode=0o711)
    data.parent.chmod(0o711)
    with Servers(data, durable=False) as servers:
        found = servers.start()
        sockets = (data / "run").readlink()
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert found == addresses(data)
        write(found)
    assert not sockets.exists()
    assert not (data / "run").is_symlink()


def test_a_second_supervisor_is_refused_by_name(folder: Path) -> None:
    first = holder(folder, START)
    try:
        with pytest.raises(EmbeddedError, match=rf"process {first.pid}.*CLOUDWIKI_DATA"):
            Servers(folder).start()
        write(addresses(folder))
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()


def test_a_closed_parent_stays_closed(parent: Path, folder: Path) -> None:
    """Root's servers cannot reach below a 0700 folder of root: their data goes elsewhere, and it is said."""
    closed = parent / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "data"
    with Servers(data, durable=False, private_root=parent / "private") as servers:
        found = servers.start()
        write(found)
        notes = servers.notes
    assert closed.stat().st_mode & 0o777 == 0o700
    if IS_ROOT:
        home = (data / "servers").readlink()
        assert home.parent == parent / "private"
        assert (home / "postgres").stat().st_mode & 0o777 == 0o700
        assert str(home) in notes[0]
    else:
        assert not (data / "servers").is_symlink()
    with Servers(data, durable=False, private_root=parent / "private") as servers:
        assert rows(servers.start()) == 1


def test_binaries_in_a_closed_environment_are_copied_whole(parent: Path) -> None:
    found = binaries.find_postgres()
    assert found.package is not None
    closed = parent / "site-packages"
    closed.mkdir(mode=0o700)
    package = closed / found.package.name
    shutil.copytree(found.package / "pginstall" / "bin", package / "pginstall" / "bin")
    shutil.copytree(found.package / "pginstall" / "lib", package / "pginstall" / "lib")
    shutil.copytree(f"{found.package}.libs", f"{package}.libs")
    hidden = binaries.Binary(package / "pginstall/bin/postgres", found.version, package)
    account = choose_account()
    usable = binaries.readable_by(hidden, account, parent)
    assert (usable.path != hidden.path) == (account.uid is not None)
    assert account.can_run(usable.sibling("initdb"), "--version"), "initdb needs libpq from the sibling folder"


def test_no_server_at_all_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_folder", lambda name: None)
    monkeypatch.setattr(binaries, "SYSTEM_POSTGRES", ())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EmbeddedError, match="DATABASE_URL"):
        binaries.find_postgres()
    with pytest.raises(EmbeddedError, match="REDIS_URL"):
        binaries.find_valkey()


def test_a_server_that_cannot_start_shows_its_log(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.OPTIONS, "max_connections", "none")
    with Servers(folder, durable=False) as servers, pytest.raises(EmbeddedError, match="max_connections"):
        servers.start()


def test_an_account_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDWIKI_SERVER_USER", "no-such-account")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(EmbeddedError, match=r"CLOUDWIKI_SERVER_USER.*no-such-account"):
        choose_account()


def test_a_folder_of_somebody_else_is_no_place_for_sockets(tmp_path: Path) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o755)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(private)
    account = Account()
    assert account.owns_privately(private)
    assert not account.owns_privately(open_folder)
    assert not account.owns_privately(tmp_path / "link")
    assert not account.owns_privately(tmp_path / "absent")
