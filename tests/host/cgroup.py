"""A control group of a host's own, so that every process of the host can be ended and nothing else."""

import time
from pathlib import Path

from tests.host.requirements import cgroup_root


class ControlGroup:
    """One named group in each hierarchy that systemd uses (version 2, and `name=systemd` on a hybrid system)."""

    def __init__(self, name: str) -> None:
        named = Path("/sys/fs/cgroup/systemd")
        self.unified = cgroup_root() / name
        self.folders = [self.unified, *([named / name] if named.is_dir() else [])]

    def create(self) -> None:
        for folder in self.folders:
            folder.mkdir(exist_ok=True)

    @property
    def process_files(self) -> list[str]:
        """The files that a process writes its id into to enter."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def kill(self, deadline: float = 20.0) -> None:
        """Ends every process in the group with SIGKILL and waits (seconds) until none is left."""
        if not self.unified.exists():
            return
        (self.unified / "cgroup.kill").write_text("1")
        end = time.monotonic() + deadline
        while "populated 1" in (self.unified / "cgroup.events").read_text():
            if time.monotonic() > end:
                raise TimeoutError(f"processes of {self.unified} outlive SIGKILL")
            time.sleep(0.02)

    def remove(self) -> None:
        for folder in self.folders:
            if folder.exists():
                self._remove_tree(folder)

    def _remove_tree(self, folder: Path) -> None:
        for child in folder.iterdir():
            if child.is_dir():
                self._remove_tree(child)
        folder.rmdir()
