"""Make .venv: Python 3.13 with exactly what requirements-dev.lock pins. Called by scripts/bootstrap.

Runs on any Python from 3.9 on and needs nothing installed. Safe to run twice, side by side, as root or not.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements-dev.lock"
CACHE = ROOT / ".cache"
STAMP = VENV / ".requirements-dev.sha256"
WANTED = "3.13"
# uv does not read pip's configuration, where a company's mirror is usually named.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


class BootstrapError(Exception):
    """What is missing and what to do about it."""


def main():
    try:
        CACHE.mkdir(exist_ok=True)
        with (CACHE / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_current():
                build()
    except BootstrapError as error:
        sys.stderr.write(f"bootstrap: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"bootstrap: {error}\nIs {ROOT} yours to write? Clone the project as this user.\n")
        return 1
    return 0


def is_current():
    """Whether .venv runs and was made from this very lock file."""
    return STAMP.is_file() and STAMP.read_text() == digest() and version_of(VENV / "bin/python") is not None


def digest():
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def build():
    uv = find_uv()
    environment = uv_environment()
    if version_of(VENV / "bin/python") is None:
        python = find_python(uv, environment)
        tell(f"making .venv with {python}")
        run([uv, "venv", "--clear", "--python", python, VENV], environment)
    tell("installing what requirements-dev.lock pins")
    sync = [uv, "pip", "sync", "--require-hashes", "--python", VENV / "bin/python", LOCK]
    run(sync, environment)
    STAMP.write_text(digest())


def version_of(python):
    """The interpreter's own path if it runs and is the wanted version, else None."""
    code = "import sys; print('%d.%d' % sys.version_info[:2]); print(getattr(sys, '_base_executable', sys.executable))"
    answer = output([python, "-c", code])
    lines = (answer or "").splitlines()
    return lines[1] if len(lines) == 2 and lines[0] == WANTED else None


def find_python(uv, environment):
    """A Python 3.13 that really runs: on PATH, of pyenv, of uv, or fetched by uv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [sys.executable, *on_path(f"python{WANTED}"), *on_path("python3"), *on_path("python")]
    newest_first = sorted(pyenv.glob(f"{WANTED}.*"), key=lambda path: numbers(path.name), reverse=True)
    candidates += [path / "bin/python" for path in newest_first]
    for candidate in candidates:
        real = version_of(candidate)
        if real:
            return real
    find = [uv, "python", "find", "--no-project", "--managed-python", "--no-python-downloads", WANTED]
    managed = output(find, environment)
    if managed is None:
        tell(f"no Python {WANTED} here; uv fetches one")
        try:
            run([uv, "python", "install", WANTED], environment)
        except BootstrapError as error:
            raise BootstrapError(f"Python {WANTED} is not here and cannot be fetched. Install it. {error}") from error
        managed = output(find, environment)
    if managed is None:
        raise BootstrapError(f"uv fetched Python {WANTED}, but it does not run here. Install it another way.")
    return managed.strip()


def find_uv():
    """A uv that really runs, or a private one, of the version that the lock file pins."""
    private = CACHE / "uv" / "bin" / "uv"
    home = [Path.home() / ".local/bin/uv", Path.home() / ".cargo/bin/uv"]
    for candidate in [VENV / "bin/uv", *on_path("uv"), *home, private]:
        if output([candidate, "--version"]):
            return candidate
    tell("fetching uv")
    requirement = re.search(r"^uv==.*?(?=^\S|\Z)", LOCK.read_text(), re.M | re.S)
    if requirement is None:
        raise BootstrapError("requirements-dev.lock pins no uv.")
    python = python_with_venv()
    run([python, "-m", "venv", "--clear", CACHE / "uv"])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.write(requirement.group())
        pinned.flush()
        pip = [CACHE / "uv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "--no-deps", "--require-hashes", "-r", pinned.name])
    return private


def python_with_venv():
    """A Python whose venv module is whole (Debian splits it)."""
    for candidate in [sys.executable, *on_path("python3"), *on_path("python"), "/usr/bin/python3"]:
        if output([candidate, "-c", "import ensurepip, venv, sys; print(sys.version_info)"]):
            return candidate
    raise BootstrapError("uv is missing and this Python cannot make a venv. Install uv, or python3-venv.")


def uv_environment():
    """Our environment, with pip's sources where uv has none of its own."""
    environment = dict(os.environ)
    if any(name in environment for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE")):
        return environment
    for python in [CACHE / "uv/bin/python", sys.executable, *on_path("python3"), "/usr/bin/python3"]:
        listed = output([python, "-m", "pip", "config", "list"])
        if listed is not None:
            break
    for key, value in re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed or "", re.M):
        if key in PIP_TO_UV:
            environment.setdefault(PIP_TO_UV[key], value.replace("\\n", " ").strip())
    # As pip does: look in every source. The hashes say what is accepted.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return environment


def on_path(name):
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [found for folder in folders if folder and (found := shutil.which(name, path=folder))]


def numbers(text):
    return [int(part) for part in re.findall(r"\d+", text)]


def output(command, environment=None):
    """What the command prints, or None when it does not run or fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=60, cwd=ROOT, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def run(command, environment=None):
    """Run it without a word; what it said is shown if it fails. (uv --quiet hides its errors too.)"""
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout)
        raise BootstrapError(f"this failed, its message is above: {' '.join(words)}")


def tell(line):
    sys.stderr.write(f"bootstrap: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
