"""Where the servers keep their data and their sockets."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cloudwiki.embedded.account import Account

BASE_DIR = Path(__file__).resolve().parent.parent.parent
POSTGRES_PORT = 5432
POSTGRES_SOCKET = f".s.PGSQL.{POSTGRES_PORT}"
VALKEY_SOCKET = "valkey.sock"
# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 103
PRIVATE_ROOT = Path("/var/lib/cloud-wiki")


def data_folder() -> Path:
    """The data folder: CLOUDWIKI_DATA, by default `var` in the checkout. Absolute; it need not exist yet."""
    return Path(os.environ.get("CLOUDWIKI_DATA") or BASE_DIR / "var").expanduser().absolute()


def socket_folder(data: Path) -> Path:
    """Where the sockets are, or will be, for this data folder (`data/run`, or where that points)."""
    run = data / "run"
    return run.readlink() if run.is_symlink() else run


@dataclass(frozen=True)
class Places:
    """The folders of one pair of servers. `notes` are sentences for the person who started them."""

    home: Path
    sockets: Path
    notes: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        """The folder of the servers' own logs."""
        return self.home / "log"


def prepare(data: Path, account: Account, private_root: Path = PRIVATE_ROOT) -> Places:
    """Make the folders that the servers need and record those that are outside as links in `data`.

    Only folders made here are ever given an owner or a mode; nothing above them is touched.
    """
    make_passable(data)
    home, notes = _home(data, account, private_root)
    (home / "log").mkdir(mode=0o700, exist_ok=True)
    sockets = _sockets(data, home, account)
    return Places(home, sockets, notes)


def make_passable(folder: Path) -> None:
    """Create the folder if it is not there, ours, so that others may pass through it but not list it."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)


def _home(data: Path, account: Account, private_root: Path) -> tuple[Path, tuple[str, ...]]:
    link = data / "servers"
    if link.is_symlink() and link.is_dir():
        return link.readlink(), ()
    if link.is_dir() or account.can_enter(data):
        if link.is_symlink():
            link.unlink()
        make_passable(link)
        return link, ()
    make_passable(private_root)
    home = private_root / hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    make_passable(home)
    link.unlink(missing_ok=True)
    link.symlink_to(home)
    return home, (f"{data} is closed to the servers' account, so their data is kept in {home}.",)


def _sockets(data: Path, home: Path, account: Account) -> Path:
    """`data/run` where that is reachable and short enough, else a private folder that `data/run` links to."""
    run = data / "run"
    if run.is_symlink():
        recorded = run.readlink()
        if account.owns_privately(recorded):
            return recorded
        run.unlink()
    inside = home / "run" if (data / "servers").is_symlink() else run
    if len(os.fsencode(inside / POSTGRES_SOCKET)) <= LONGEST_SOCKET_PATH:
        account.make_private(inside)
        if inside != run:
            run.symlink_to(inside)
        return inside
    if run.is_dir():
        shutil.rmtree(run)
    short = Path(tempfile.mkdtemp(prefix="cloudwiki-"))
    account.make_private(short)
    run.symlink_to(short)
    return short


def forget_sockets(data: Path) -> None:
    """Remove the short socket folder and the link to it, once the servers have stopped."""
    run = data / "run"
    if run.is_symlink() and run.readlink().name.startswith("cloudwiki-"):
        shutil.rmtree(run.readlink(), ignore_errors=True)
        run.unlink()
