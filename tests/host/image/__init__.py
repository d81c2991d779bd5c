"""The root file system of the test host: Debian 13, built by mmdebstrap once and cached."""

import subprocess
from pathlib import Path

from tests.host.cache import cached, digest

HERE = Path(__file__).resolve().parent


class ImageNotBuilt(Exception):
    """mmdebstrap or npm failed; the text holds the end of what they said."""


def tree() -> Path:
    """The folder of the image, built when absent (about 70 s, 780 MB). Raises ImageNotBuilt."""
    return cached("image", digest(HERE), _build)


def _build(folder: Path) -> None:
    built = subprocess.run(
        [HERE / "build.sh", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if built.returncode:
        raise ImageNotBuilt(f"{HERE / 'build.sh'} exited {built.returncode}:\n" + built.stdout[-4000:])
