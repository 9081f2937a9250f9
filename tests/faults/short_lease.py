"""The command with leases of two seconds, so that what a killed worker was at is soon anyone's."""

from __future__ import annotations

from datetime import timedelta

import collector.db.outbox
from collector.run.cli import main

collector.db.outbox.LEASE = timedelta(seconds=2)

if __name__ == "__main__":
    main()
