"""Compile the translations where their source has changed. Needs no gettext on the machine."""

import sys
from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def main() -> int:
    """Write each .mo that differs from what its .po says. Returns 1 when a catalogue cannot be read."""
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")):
        compiled = source.with_suffix(".mo")
        try:
            wanted = polib.pofile(str(source)).to_binary()
        except (OSError, ValueError) as error:
            sys.stderr.write(f"{source}: {error}\n")
            return 1
        if not compiled.exists() or compiled.read_bytes() != wanted:
            partial = compiled.with_suffix(".mo.new")
            partial.write_bytes(wanted)
            partial.replace(compiled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
