"""The translations. Without an argument: compile them where their source changed (needs no gettext).

`collect`: bring the catalogues up to date with every text in the sources first (needs gettext; `make messages`).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
SOURCES = ("cloudwiki", "demo", "releases", "templates")
LANGUAGES = ("ko",)
OPTIONS = ("--no-wrap", "--no-location", "--no-obsolete", "-v", "0")
HEADER = {
    "Project-Id-Version": "Cloud Wiki",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}


def catalogue(language: str, locale: Path = LOCALE) -> Path:
    """Where the texts of a language are."""
    return locale / language / "LC_MESSAGES" / "django.po"


def extract(folder: Path, language: str) -> Path:
    """Merge every text of the sources into the catalogue below `folder`, which may have none yet.

    Works on copies, so that a failure leaves nothing half made. Raises CalledProcessError, FileNotFoundError.
    """
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "locale").mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "django", "makemessages", "--locale", language, *OPTIONS]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return catalogue(language, folder / "locale")


def collect(language: str) -> list[str]:
    """Bring a catalogue up to date. Returns the texts that want a translation, or a look at a guessed one."""
    with tempfile.TemporaryDirectory(prefix="cloudwiki-messages-") as name:
        if catalogue(language).exists():
            shutil.copytree(LOCALE / language, Path(name) / "locale" / language)
        merged = polib.pofile(str(extract(Path(name), language)), wrapwidth=0)
    # No dates and names in the header: they would differ at each run and say nothing.
    merged.header, merged.metadata_is_fuzzy = "", False
    merged.metadata = HEADER | {"Language": language, "Plural-Forms": merged.metadata["Plural-Forms"]}
    catalogue(language).parent.mkdir(parents=True, exist_ok=True)
    merged.save(str(catalogue(language)))
    return [entry.msgid for entry in merged if not entry.translated()]


def compile_all() -> None:
    """Write each .mo that differs from what its .po says. Raises OSError, ValueError naming the catalogue."""
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")):
        compiled = source.with_suffix(".mo")
        try:
            wanted = polib.pofile(str(source)).to_binary()
        except (OSError, ValueError) as error:
            raise ValueError(f"{source}: {error}") from error
        if not compiled.exists() or compiled.read_bytes() != wanted:
            # A name of its own: several processes may compile at once.
            partial = compiled.with_suffix(f".mo.{os.getpid()}")
            partial.write_bytes(wanted)
            partial.replace(compiled)


def main(arguments: list[str]) -> int:
    """Compile; with `collect`, collect first. Returns 1 when that cannot be done."""
    try:
        if arguments == ["collect"]:
            for language in LANGUAGES:
                for text in collect(language):
                    sys.stdout.write(f"{language}: to translate: {text}\n")
        compile_all()
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\nCollecting texts needs GNU gettext (xgettext, msgmerge). Install it.\n")
        return 1
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
