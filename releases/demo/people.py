"""The demo's people, with passwords of this installation alone."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from releases.models import Membership, Project, User
from releases.models.choices import Role


@dataclass(frozen=True)
class Person:
    """Someone of the demo's team and what they may do."""

    username: str
    name: str
    role: Role
    operate: bool = False
    approve: bool = False
    manage: bool = False
    is_admin: bool = False


PEOPLE = (
    Person("minjun", "김민준", Role.DEVOPS, operate=True),
    Person("seoyeon", "이서연", Role.DEVOPS, operate=True, approve=True),
    Person("jiho", "박지호", Role.BACKEND),
    Person("yuna", "최유나", Role.FRONTEND),
    Person("haneul", "정하늘", Role.OPERATIONS),
    Person("admin", "관리자", Role.DEVOPS, operate=True, approve=True, manage=True, is_admin=True),
)


def load(project: Project, login_file: Path) -> None:
    """Make the people; those who exist keep everything but a password that nobody knows any more."""
    known = passwords(login_file)
    for person in PEOPLE:
        user, is_new = User.objects.get_or_create(
            username=person.username,
            defaults={
                "display_name": person.name,
                "role": person.role,
                "is_staff": person.is_admin,
                "is_superuser": person.is_admin,
            },
        )
        if is_new or person.username not in known:
            known[person.username] = secrets.token_urlsafe(12)
            user.set_password(known[person.username])
            user.save()
        Membership.objects.get_or_create(
            project=project,
            user=user,
            defaults={"can_operate": person.operate, "can_approve": person.approve, "can_manage": person.manage},
        )
    _write(login_file, known)


def passwords(login_file: Path) -> dict[str, str]:
    """Password by username, from the file that `load` wrote; empty when there is none."""
    try:
        return {entry["username"]: entry["password"] for entry in json.loads(login_file.read_text())["logins"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(login_file: Path, known: dict[str, str]) -> None:
    logins = [
        {"username": person.username, "password": known[person.username], "name": person.name} for person in PEOPLE
    ]
    partial = login_file.with_name(f".{login_file.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps({"logins": logins}, ensure_ascii=False, indent=2) + "\n")
    partial.replace(login_file)
