"""Faults of the machine's disk: nothing more can be written on a real, small file system."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from weakref import WeakKeyDictionary

from tests.engine.sshd import Sshd
from tests.faults.registry import Turns, one
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work

SIZE = 8 << 20  # bytes of the small disk
FILES = 512  # inodes on it
BLOCK = 4096  # bytes


class SmallDisk:
    """A file system in a file, mounted at `path`."""

    def __init__(self, folder: Path) -> None:
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as image:
            image.truncate(SIZE)
        # No block is set aside for root, who runs the steps here.
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK), "-N", str(FILES), self.image)
        _run("mount", "-o", "loop", self.image, self.path)

    def empty(self) -> None:
        """Remove all that is on it."""
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def fill(self, left: int = 0) -> None:
        """Leave room for `left` bytes."""
        with self._filler.open("ab", buffering=0) as filler:
            while _written(filler.fileno()):
                pass
            filler.truncate(max(0, filler.tell() - left))

    def use_up_files(self, left: int) -> None:
        """Leave room for `left` more files; bytes there are plenty of."""
        folder = self.path / "many"
        folder.mkdir()
        for number in range(os.statvfs(self.path).f_ffree - left):
            (folder / str(number)).touch()

    def free(self) -> None:
        """Take away what filled it."""
        self._filler.unlink(missing_ok=True)
        shutil.rmtree(self.path / "many", ignore_errors=True)

    @property
    def _filler(self) -> Path:
        return self.path / "filler"

    def remove(self) -> None:
        """Unmount it."""
        _run("umount", "--lazy", self.path)


class DiskSlot(Slot):
    """A slot with a small disk, on which the step wrapper may live."""

    kind = "disk"

    def listen(self) -> Sshd:
        sshd = Sshd(self.folder)
        self.disk = SmallDisk(self.folder)
        self.rig.at_close(self.disk.remove)
        return self.admit(sshd)

    def renew(self, *, wrapper_on_disk: bool) -> None:
        """An empty disk, and the step wrapper's folder on it or not."""
        self.disk.empty()
        shutil.rmtree(self.base) if not self.base.is_symlink() and self.base.exists() else self.base.unlink(True)
        if wrapper_on_disk:
            folder = self.disk.path / "cloudwiki"
            folder.mkdir(mode=0o700)
            self.base.symlink_to(folder)


_slots: WeakKeyDictionary[Slot, DiskSlot] = WeakKeyDictionary()


def _disk_slot(slot: Slot) -> DiskSlot:
    """The one that belongs to a slot, made when first needed."""
    if slot not in _slots:
        _slots[slot] = DiskSlot(slot.rig, int(slot.folder.name.rpartition("-")[2]))
    return _slots[slot]


@cache
def _missing() -> str:
    """Why no small disk can be mounted here."""
    if os.geteuid() != 0:
        return "it needs root, to mount a small disk"
    if not shutil.which("mkfs.ext4"):
        return "it needs this Debian package: apt-get install e2fsprogs"
    found = subprocess.run(["losetup", "-f"], capture_output=True, text=True)
    return f"it needs a loop device: {found.stderr.strip()}" if found.returncode else ""


@one(
    "F6",
    "disk full: before the launch, under the log, under a backup",
    needs=_missing,
)
def full(slot: Slot, random: Turns) -> Result:
    """Nothing is begun that can't be ended, no exit code is lost, no old backup is touched."""
    place = _disk_slot(slot)
    kind = random.turn((_before_launch, _under_the_log, _under_a_backup))
    place.renew(wrapper_on_disk=kind is not _under_a_backup)
    return kind(place, random)


def _before_launch(slot: DiskSlot, random: Turns) -> Result:
    """Refused with a sentence, nothing run; with room again, a retry does it."""
    if random.random() < 0.5:  # the step wrapper is there already
        assert slot.begin(Work("first", lines=1)).until_over() == "succeeded"
    work = Work(lines=random.randint(1, 20))
    run = slot.draft(work, Work("next", lines=1))
    slot.disk.fill(left=random.choice((0, 1, 2, 4)) * BLOCK)
    run.start()
    status, step = run.until_over(), run.step()
    result = Result()
    result.check(status == "errored" and step.status == "errored", f"#{run.pk} is {status}, its step {step.status}")
    result.check(_speaks_of_the_disk(step.reason), f"#{run.pk}: the reason does not name the disk: {step.reason}")
    result.check(run.marked() == [], f"#{run.pk} was refused, but it marked {run.marked()}")
    result.check(run.step("next").status == "pending", f"#{run.pk}: the next step did not wait")
    slot.disk.free()
    run.retry()
    return _joined(result, run.judge(statuses=("succeeded",)))


def _under_the_log(slot: DiskSlot, random: Turns) -> Result:
    """The exit code is kept, what could be written is stored, and the step says that its log is not whole."""
    go, copied = slot.folder / "go", slot.folder / "log"
    go.unlink(missing_ok=True)
    work = Work(
        code=random.choice((0, 0, 3)),
        lines=random.randint(2000, 4000),
        pause=0,
        before=f"until [ -e {go} ]; do sleep 0.05; done",
        after=f'cp "$CLOUDWIKI_ATTEMPT/log" {copied}',  # the host's own may be cleaned up after the end
        opaque=True,
    )
    run = slot.begin(work)
    run.until_begun()
    slot.disk.fill(left=random.randrange(20) * BLOCK)
    go.touch()
    result = run.judge(statuses=("failed",) if work.code else ("succeeded",))
    attempt = run.attempts()[0]
    written, stored = copied.read_bytes(), run.log()
    # The wrapper may have freed a block by now; that the log is not whole shows that there was none.
    if len(written) >= len(work.printed()):
        raise AssertionError(f"#{run.pk}: the disk was not full")
    if stored != written:
        result.fail("lost", f"#{run.pk}: {len(stored)} bytes are stored, {len(written)} were written")
    result.check(attempt.exit_code == work.code, f"#{run.pk}: exit code {attempt.exit_code}, not {work.code}")
    result.check(_speaks_of_the_disk(run.step().reason), f"#{run.pk} does not say that its log is not whole")
    return result


def _under_a_backup(slot: DiskSlot, random: Turns) -> Result:
    """The step fails with a reason, and the older backup is as it was."""
    app = _app(slot, random)
    assert _back_up(slot, app).until_over() == "succeeded"
    before, rows = _tree(slot.disk.path / "backup"), _backups(slot)
    (app / "1").write_bytes(random.randbytes(100_000))
    many = random.random() < 0.5
    if many:  # there are bytes enough, so it begins, and breaks in the middle
        slot.disk.use_up_files(left=random.randint(3, 20))
    else:
        slot.disk.fill(left=random.randint(0, 20) * BLOCK)
    run = _back_up(slot, app)
    result = run.judge(statuses=("failed",))
    step = run.step()
    result.check(_speaks_of_the_disk(step.reason), f"#{run.pk}: the reason does not name the disk: {step.reason}")
    if _tree(slot.disk.path / "backup") != before:
        result.fail("lost", f"#{run.pk}: the older backup is not as it was, or something half-made is beside it")
    result.check(_backups(slot) == rows, f"#{run.pk}: a backup is listed that was not made")
    return result


def _app(slot: DiskSlot, random: Turns) -> Path:
    """A folder of files to be backed up."""
    app = slot.folder / "app"
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    for number in range(60):
        (app / str(number)).write_bytes(random.randbytes(random.randint(1, 8000)))
    return app


def _back_up(slot: DiskSlot, app: Path) -> Run:
    files = [{"path": str(app), "link": "app.bak", "folder": True}]
    parameters = {"files": files, "destination": str(slot.disk.path / "backup")}
    return slot.begin(Work(opaque=True, more={"action": "backup_files", "parameters": parameters}))


def _tree(folder: Path) -> dict[str, bytes]:
    """Every file and link below the folder with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.fsencode(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name] = b"a folder"
    return found


def _backups(slot: DiskSlot) -> list[str]:
    """The places of the backups that are listed for the environment."""
    from releases.models import Backup

    found = Backup.objects.filter(environment=slot.world.environment).order_by("location")
    return list(found.values_list("location", flat=True))


def _speaks_of_the_disk(reason: str) -> bool:
    """In either language: the disk, or the room on it."""
    return any(word in reason for word in ("disk", "room", "디스크", "공간"))


def _joined(first: Result, second: Result) -> Result:
    second.problems[:0] = first.problems
    return second


def _written(descriptor: int) -> int:
    try:
        return os.write(descriptor, b"\0" * BLOCK)
    except OSError:
        return 0


def _run(*words: str | Path) -> None:
    """Raises RuntimeError with what the program said."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr.strip()}")
