"""The demo's project: a small repository with two tagged versions, made with git on this machine."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo import build

AUTHOR = {"name": "박지호", "email": "jiho@demo.example"}
GRADLEW = """#!/bin/sh
# Builds the backend as ./gradlew would. Simulated: the demo needs no Java.
[ "$1 $2" = "clean build" ] || {{ echo "usage: ./gradlew clean build -x test" >&2; exit 1; }}
rm -rf build
exec {build} backend
"""
BUILD = """#!/bin/sh
# Builds one part of the project: ./build.sh backend|frontend
exec {build} "$@"
"""


@dataclass(frozen=True)
class Version:
    """One release of the sample project: its files, and what people are told about it."""

    number: str
    when: str  # commit time: fixed, so that the commit is the same on every installation
    title: str
    notes: str
    files: dict[str, str]


VERSIONS = (
    Version(
        "v1.0.0",
        "2026-01-05T10:00:00+09:00",
        "모임 만들기와 투표",
        "- 모임을 만들고 친구를 초대합니다.\n- 음식점을 투표로 정합니다.\n",
        {
            "backend/MealController.java": "class MealController { /* meals, votes */ }\n",
            "frontend/index.html": "<h1>모여밥</h1><p>모임과 투표</p>\n",
            "frontend/app.css": "h1 { color: #d9480f }\n",
        },
    ),
    Version(
        "v1.1.0",
        "2026-01-12T10:00:00+09:00",
        "정산 추가",
        "- 모임이 끝나면 바로 정산합니다.\n- 투표 화면이 빨라졌습니다.\n",
        {
            "backend/MealController.java": "class MealController { /* meals, votes, settling up */ }\n",
            "backend/SettleService.java": "class SettleService { /* who owes whom */ }\n",
            "frontend/index.html": "<h1>모여밥</h1><p>모임, 투표, 정산</p>\n",
        },
    ),
)


def make(folder: Path, build_program: Path) -> dict[str, str]:
    """Make the repository where it is missing; returns the commit of each version.

    The work tree stands at the newest version and holds its builds. Raises CalledProcessError from git.
    """
    if not (folder / ".git").is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _git(folder, "init", "--quiet", "--initial-branch=main")
        for version in VERSIONS:
            _commit(folder, version, build_program)
    commits = {version.number: _git(folder, "rev-parse", f"{version.number}^{{commit}}") for version in VERSIONS}
    return commits


def build_at(folder: Path, number: str) -> None:
    """Build both parts of a version, in place, from its own files."""
    _git(folder, "checkout", "--quiet", number if number != VERSIONS[-1].number else "main")
    build.backend(folder)
    build.frontend(folder)


def _commit(folder: Path, version: Version, build_program: Path) -> None:
    files = version.files | {
        "VERSION": version.number + "\n",
        "README.md": "# 모여밥\n\nCloud Wiki의 데모 프로젝트입니다.\n",
        ".gitignore": "/build/\n/.next/\n",
        "gradlew": GRADLEW.format(build=f'"{build_program}"'),
        "build.sh": BUILD.format(build=f'"{build_program}"'),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("gradlew", "build.sh"):
        (folder / name).chmod(0o755)
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", version.title, when=version.when)
    _git(folder, "tag", version.number)


def _git(folder: Path, *arguments: str, when: str = "") -> str:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": AUTHOR["name"], f"GIT_{role}_EMAIL": AUTHOR["email"]}
        environment |= {f"GIT_{role}_DATE": when} if when else {}
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "commit.gpgsign=false", *arguments],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()
