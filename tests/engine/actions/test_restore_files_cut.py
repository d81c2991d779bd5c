"""A restore of files that is cut at any moment: whole things are left, and the next run ends it."""

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
from django.utils.translation import override

from releases.actions import registry
from releases.actions.restore_files import restore_script
from tests.engine.actions.breaking import Breaking
from tests.engine.actions.test_restore_files import NEW, OLD, make, tree

PROGRAMS = ("cp", "mv", "ln", "rm", "chmod")


class Bench:
    """The script on this machine; `attempt` names the run."""

    def __init__(self, folder: Path, shell: tuple[str, ...], linked: bool = False) -> None:
        self.folder, self.linked = folder / "app", linked
        self.jar, self.pages = self.folder / "app.jar", self.folder / ".next"
        make(folder / "kept" / "pages", OLD)
        (folder / "kept" / "jar").write_text("old jar")
        self.backup = folder / "kept"
        self.breaking = Breaking(folder / "breaking", PROGRAMS, shell)
        sums = 'sum_of "$1/jar"; echo $SUM; folder_sum "$1/pages"; echo $SUM'
        text = f". {Path(registry.__file__).parent}/scripts/machine.sh; {sums}"
        said = subprocess.run(["sh", "-c", text, "sh", self.backup], check=True, capture_output=True, text=True)
        self.sums = said.stdout.split()

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.linked:
            make(self.folder / "releases" / "43", NEW)
            self.pages.symlink_to("releases/43")
            (self.folder / "releases" / "43.jar").write_text("new jar")
            self.jar.symlink_to("releases/43.jar")
        else:
            make(self.pages, NEW)
            self.jar.write_text("new jar")

    def run(self, attempt: str, at: int = 0, when: str = "") -> tuple[int, str, bool]:
        script = restore_script(
            [
                {"path": str(self.pages), "location": f"{self.backup}/pages", "sha256": self.sums[1], "folder": True},
                {"path": str(self.jar), "location": f"{self.backup}/jar", "sha256": self.sums[0], "folder": False},
            ],
            attempt * 32,
            "$ restore",
        )
        ended = self.breaking.run(script.text, script.parameters, at, when)
        return ended.exit_code, ended.output, ended.killed

    def states(self) -> tuple[str, str]:
        """Of the folder and the file: "old", "new", "missing" or what else is there."""
        found = {"OLD": tree(self.pages) == OLD, "NEW": tree(self.pages) == NEW} if self.pages.is_dir() else {}
        pages = next((name for name, fits in found.items() if fits), "mixed" if found else "missing")
        jar = {"old jar": "OLD", "new jar": "NEW"}[self.jar.read_text()]
        return pages, jar

    def leftovers(self) -> list[str]:
        names = {".next", "app.jar", "releases"} if self.linked else {".next", "app.jar"}
        inside = [path.name for path in self.folder.glob("releases/*")]
        allowed = {"43", "43.jar", *(p.readlink().name for p in (self.pages, self.jar) if p.is_symlink())}
        return sorted({path.name for path in self.folder.iterdir()} - names) + sorted(set(inside) - allowed)


def moments(bench: Bench) -> list[tuple[str, int]]:
    """Before and after each call of a program."""
    bench.reset()
    assert bench.run("a")[0] == 0
    return list(itertools.product(("before", "after"), range(1, len(bench.breaking.calls()) + 1)))


@pytest.mark.parametrize(
    ("shell", "linked"),
    [(("sh",), False), (("sh",), True), (("busybox", "sh"), False)],
    ids=["plain", "linked", "busybox"],
)
def test_a_kill_at_any_call_leaves_whole_things_and_the_next_run_ends_it(
    tmp_path: Path, shell: tuple[str, ...], linked: bool
) -> None:
    bench = Bench(tmp_path, shell, linked)
    seen = set()
    for when, at in moments(bench):
        attempt = {"before": "a", "after": "b"}[when]  # the same again, or another one: what they find is alike
        bench.reset()
        assert bench.run("a", at, when)[2], "it was killed"
        states = bench.states()
        seen.add(states)
        if states[0] == "missing":
            assert not linked
            assert [tree(path) for path in bench.folder.glob("..next.restore-old-*")] == [NEW]
        code, output, _killed = bench.run(attempt)
        assert (code, bench.states(), bench.leftovers()) == (0, ("OLD", "OLD"), []), (when, at, output)
    assert seen == {("NEW", "NEW"), ("OLD", "NEW"), ("OLD", "OLD")} | (set() if linked else {("missing", "NEW")})


def test_a_second_kill_is_no_worse(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ("sh",))
    every = moments(bench)
    firsts = [moment for moment in every if _states_after(bench, moment)[0] in {"missing", "OLD"}]
    for first, (when, at) in itertools.product(firsts[:4], every):
        _states_after(bench, first)
        bench.run("b", at, when)
        assert "mixed" not in bench.states()
        code, output, _killed = bench.run("c")
        assert (code, bench.states(), bench.leftovers()) == (0, ("OLD", "OLD"), []), (first, when, at, output)


def _states_after(bench: Bench, moment: tuple[str, int]) -> tuple[str, str]:
    bench.reset()
    bench.run("a", moment[1], moment[0])
    return bench.states()


@pytest.mark.parametrize("linked", [False, True], ids=["plain", "linked"])
def test_a_program_that_fails_changes_nothing_or_is_made_up_for(tmp_path: Path, linked: bool) -> None:
    bench = Bench(tmp_path, ("sh",), linked)
    said = set()
    for at in sorted({at for _when, at in moments(bench)}):
        bench.reset()
        code, output, _killed = bench.run("a", at, "fail")
        wanted = ("OLD", "OLD") if code == 0 else ("NEW", "NEW")
        assert bench.states() == wanted, (at, output)
        if code:
            assert bench.leftovers() == [], (at, output)
            with override("en"):
                said.add(registry.find("restore_files").explain(code, output.encode()).split(". ")[-2].split()[-1])
    assert said
