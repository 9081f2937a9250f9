"""The command with leases of two seconds, so that what a killed worker was at is soon anyone's."""

from __future__ import annotations

from datetime import timedelta

import collector.outbox
from collector.cli import main

collector.outbox.LEASE = timedelta(seconds=2)

if __name__ == "__main__":
    main()
