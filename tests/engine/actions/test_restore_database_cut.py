"""A restore of a database that is cut at any moment: the old or the new one is live, and the next run ends it."""

import itertools
import shutil
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier, Literal

from cloudwiki.embedded.binaries import find_postgres
from releases.actions.restore_database import names, restore_script
from tests.engine.actions.breaking import Breaking
from tests.engine.actions.dumped import Server, back_up
from tests.engine.stage import Stage


class Bench:
    """The script on this machine against the test's server; `attempt` names the run."""

    def __init__(self, stage: Stage, server: Server, folder: Path, shell: tuple[str, ...]) -> None:
        self.server, self.old = server, server.content()
        self.row = back_up(stage, server, "custom")
        server.change()
        self.new = server.content()
        self.breaking = Breaking(folder, ("psql", "pg_restore"), shell, f"{find_postgres().path.parent}:")

    def run(self, attempt: str, at: int = 0, when: str = "") -> tuple[int, str, bool]:
        script = restore_script(self.server.parameters, self.row, attempt * 32, "$ restore")
        ended = self.breaking.run(script.text, script.parameters, at, when, **self._password())
        return ended.exit_code, ended.output, ended.killed

    def _password(self) -> dict[str, str]:
        return {"PGPASSWORD": self.server.keys["password"]} if "password" in self.server.keys else {}

    def reset(self) -> None:
        """The live one has the new data again, and nothing is beside it."""
        for name in self.server.others():
            if self.server.content() != self.new and "_before_" in name:
                self._execute("DROP DATABASE {} WITH (FORCE)", self.server.name)
                self._execute("ALTER DATABASE {} RENAME TO {}", name, self.server.name)
            else:
                self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        self.server.admin.execute(SQL(statement).format(*map(Identifier, names)))  # type: ignore[arg-type]

    def check(self, attempt: str, output: str) -> None:
        """It is done: the old data are live, the new ones kept, nothing else is there."""
        assert self.server.content() == self.old, output
        kept = [name for name in self.server.others() if self.server.content(name) == self.new]
        assert len(kept) == 1 and "_before_" in kept[0], output
        assert not [name for name in self.server.others() if "_restore_" in name], output


@pytest.mark.parametrize("shell", [("sh",), ("busybox", "sh")], ids=["sh", "busybox"])
def test_a_kill_at_any_call_leaves_one_or_the_other_and_the_next_run_ends_it(
    stage: Stage, server: Server, tmp_path: Path, shell: tuple[str, ...]
) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", shell)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)
    count, killed_at_all = len(bench.breaking.calls()), 0
    assert count >= 9
    for when, at in itertools.product(("before", "after"), range(1, count + 1)):
        bench.reset()
        _code, output, killed = bench.run("a", at, when)
        found = server.content()
        assert found in (bench.old, bench.new)
        killed_at_all += killed
        attempt = {"before": "a", "after": "b"}[when]
        code, output, _killed = bench.run(attempt)
        assert code == 0, (when, at, output)
        if attempt == "b" and found == bench.old:  # the other attempt can't know, and restores once more
            assert server.content() == bench.old and len(server.others()) == 2
        else:
            bench.check(attempt, output)
    assert killed_at_all > count  # how often sessions are ended at last depends on the moment


def test_a_kill_right_after_the_swap_is_known_to_the_next_run(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    psql = tmp_path / "breaking" / "bin" / "psql"
    counting = psql.read_text()
    real = find_postgres().path.parent / "psql"
    kill = "case $text in *RENAME*) kill -KILL 0 ;; esac; exit $code"
    psql.write_text(f'#!/bin/sh\ntext=$(cat)\nprintf "%s\\n" "$text" | {real} "$@"\ncode=$?\n{kill}\n')
    assert bench.run("a")[2], "it was killed"
    bench.check("a", "")
    psql.write_text(counting)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)


def test_a_call_that_fails_leaves_the_live_one_alone(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    bench.run("a")
    for at in range(1, len(bench.breaking.calls()) + 1):
        bench.reset()
        code, output, _killed = bench.run("a", at, "fail")
        assert server.content() == (bench.old if code == 0 else bench.new), (at, output)
        left = [name for name in server.others() if "_restore_" in name]
        # Where the look around itself fails, or the removal, the next run removes what is left.
        assert not left or code, (at, output)
        code, output, _killed = bench.run("b")
        assert code == 0 and not [name for name in server.others() if "_restore_" in name], (at, output)


def test_a_swap_that_somebody_left_half_done_is_finished(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    assert bench.run("a")[0] == 0
    bench._execute("ALTER DATABASE {} RENAME TO {}", server.name, names(server.name, "a" * 32).new)
    code, output, _killed = bench.run("a")
    assert code == 0, output
    bench.check("a", output)


def test_only_what_is_surely_its_own_is_dropped(stage: Stage, server: Server, tmp_path: Path) -> None:
    bench = Bench(stage, server, tmp_path / "breaking", ("sh",))
    stem = names(server.name, "").stem
    mine = [f"{stem}0123abcd", f"{stem}0123abcde", f"{stem}of_mine"]
    for name in mine:
        bench._execute("CREATE DATABASE {}", name)
    left = [f"{stem}00000001", f"{stem}00000002"]  # killed after the comment, and before it
    for name in left:
        bench._execute("CREATE DATABASE {} ALLOW_CONNECTIONS false", name)
    mark = f"cloudwiki: a restore of {server.name} that is not finished"
    server.admin.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(left[0]), Literal(mark)))
    code, output, _killed = bench.run("a")
    assert code == 0, output
    assert server.others() == sorted([*mine, names(server.name, "a" * 32).before])
    shutil.rmtree(tmp_path / "breaking")
