"""Gets a PostgreSQL and a PgBouncer for the tests: those that are there, else the system's packages, else none.

Without them the tests on PostgreSQL are skipped, so this always ends well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.postgres import missing


def main() -> None:
    if missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for way in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *missing()]):
            subprocess.run(["timeout", "900", "apt-get", *way], env=quietly, check=False)
    if lacking := missing():
        sys.stdout.write(f"The tests on PostgreSQL will be skipped: install {', '.join(lacking)} to run them.\n")


if __name__ == "__main__":
    main()
