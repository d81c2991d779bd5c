"""The build of the demo's sample project: `build backend|frontend` in the project's folder.

Stands alone (standard library only). The same source always gives the same bytes, so that the checksum of a
release's artifact can be known before it is built again.
"""

import sys
import zipfile
from pathlib import Path

MOMENT = (2026, 1, 1, 0, 0, 0)  # one time for every entry, or the bytes would differ from build to build


def backend(project: Path) -> None:
    """Make build/libs/app.jar from backend/ and VERSION."""
    jar = project / "build" / "libs" / "app.jar"
    jar.parent.mkdir(parents=True, exist_ok=True)
    sources = sorted(path for path in (project / "backend").rglob("*") if path.is_file())
    entries = {"META-INF/version": (project / "VERSION").read_bytes()}
    entries |= {str(path.relative_to(project / "backend")): path.read_bytes() for path in sources}
    with zipfile.ZipFile(jar, "w") as archive:
        for name, content in entries.items():
            print(f"> jar {name}")
            archive.writestr(zipfile.ZipInfo(name, MOMENT), content)
    print(f"BUILD SUCCESSFUL: {jar.relative_to(project)}, {jar.stat().st_size} bytes")


def frontend(project: Path) -> None:
    """Make .next/ from frontend/ and VERSION; files that the source no longer has are removed."""
    target = project / ".next"
    wanted = {Path("BUILD_ID"): (project / "VERSION").read_bytes()}
    for path in sorted((project / "frontend").rglob("*")):
        if path.is_file():
            wanted[Path("static") / path.relative_to(project / "frontend")] = path.read_bytes()
    for old in [path for path in target.rglob("*") if path.is_file() and path.relative_to(target) not in wanted]:
        old.unlink()
    for name, content in wanted.items():
        print(f"  {len(content):>6} B  {name}")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
        (target / name).chmod(0o644)
    print(f"Compiled successfully: {len(wanted)} files")


def main(arguments: list[str]) -> None:
    """Build the named part of the project in the current folder."""
    parts = {"backend": backend, "frontend": frontend}
    if len(arguments) != 1 or arguments[0] not in parts:
        sys.exit("usage: build backend|frontend")
    project = Path.cwd()
    if not (project / "VERSION").is_file():
        sys.exit(f"{project} holds no VERSION file, so it is not the demo's project")
    parts[arguments[0]](project)


if __name__ == "__main__":
    main(sys.argv[1:])
