"""The account under which the servers run: PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudwiki.embedded.errors import EmbeddedError

USER_NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


@dataclass(frozen=True)
class Account:
    """Who a server process runs as. `uid` None: as ourselves, behind `prefix` if there is one."""

    uid: int | None = None
    gid: int | None = None
    prefix: tuple[str, ...] = ()

    def command(self, arguments: Sequence[str | Path]) -> list[str]:
        """The command line that runs `arguments` under this account."""
        return [*self.prefix, *map(str, arguments)]

    def popen_options(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that switch to this account."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_run(self, *arguments: str | Path) -> bool:
        """Whether the command really runs, and ends with 0, under this account."""
        try:
            completed = subprocess.run(
                self.command(arguments), capture_output=True, cwd="/", timeout=20, **self.popen_options()
            )
        except (OSError, subprocess.SubprocessError):
            return False
        return completed.returncode == 0

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may reach what is inside `folder`."""
        return self.can_run("test", "-x", folder)

    def make_private(self, folder: Path) -> None:
        """Create `folder` (its parent exists) with mode 0700, owned by this account."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)

    def owns_privately(self, folder: Path) -> bool:
        """Whether `folder` is a real folder that only this account can open."""
        try:
            status = folder.lstat()
        except OSError:
            return False
        owner = os.geteuid() if self.uid is None else self.uid
        return status.st_uid == owner and status.st_mode & 0o170777 == 0o040700


def choose_account() -> Account:
    """Ourselves, or for root an unprivileged account, or a user namespace where root may not change its uid.

    Raises EmbeddedError where none of these works.
    """
    if os.geteuid() != 0:
        return Account()
    for account in _unprivileged_accounts():
        if account.can_run("true"):
            return account
    namespace = Account(prefix=USER_NAMESPACE)
    if shutil.which("unshare") and namespace.can_run("true"):
        return namespace
    raise EmbeddedError(
        "PostgreSQL does not run as root, and root may neither change to another account nor open a user "
        "namespace here. Run as a normal user, or set DATABASE_URL and REDIS_URL to servers of your own."
    )


def _unprivileged_accounts() -> list[Account]:
    """CLOUDWIKI_SERVER_USER alone when set (it must exist), else `postgres` and `nobody` where they exist."""
    wanted = os.environ.get("CLOUDWIKI_SERVER_USER")
    accounts = []
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            if wanted:
                raise EmbeddedError(
                    f"CLOUDWIKI_SERVER_USER names the account {wanted!r}, which does not exist. "
                    "Create it, or name an unprivileged account that exists."
                ) from None
            continue
        accounts.append(Account(entry.pw_uid, entry.pw_gid))
    return accounts
