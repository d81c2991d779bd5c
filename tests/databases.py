"""One migrated database for all parallel workers of a test run, which each copies."""

import fcntl
import os
from pathlib import Path

from django.db import connection

from tests.servers import SHARED


def use_template() -> None:
    """Let this worker's database be a copy of the migrated one, which the first worker makes.

    Migrating takes many seconds of a core, a copy by PostgreSQL a fraction of one.
    """
    test = connection.settings_dict["TEST"]
    own = test["NAME"]
    template = f"{own.removesuffix('_' + os.environ['PYTEST_XDIST_WORKER'])}_template"
    made = Path(os.environ[SHARED]) / "template"
    with made.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if made.stat().st_size == 0:
            _migrate(template)
            file.write(template)
    test |= {"NAME": own, "TEMPLATE": template}


def _migrate(name: str) -> None:
    usual = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    connection.close()  # nobody may be connected to what is copied
    connection.settings_dict["NAME"] = usual
