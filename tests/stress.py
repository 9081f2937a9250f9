"""One test, many times, on a machine that is busy with something else: ``make stress TEST=tests/test_outbox.py``.

Prints what failed, and how often; ends with 1 if it ever did.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BURN = """
import os, sys
parent = int(sys.argv[1])
while os.getppid() == parent:
    sum(range(100_000))
"""
"""Takes a core until it is stopped, or until whoever started it is gone, however that ended."""


@contextmanager
def busy(burners: int) -> Iterator[None]:
    """Processes that take all they can get of the processor, until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", BURN, str(os.getpid())]) for _ in range(burners)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("test", nargs="+", help="what pytest is to run, with its options")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--burners", type=int, default=2 * (os.cpu_count() or 1), help="processes that keep it busy")
    asked, options = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest", "-q", "-x", *asked.test, *options]
    failed = 0
    with busy(asked.burners):
        for _ in range(asked.times):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                failed += 1
                sys.stdout.write(done.stdout + done.stderr)
    sys.stdout.write(f"{failed} of {asked.times} runs failed, beside {asked.burners} busy processes\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
