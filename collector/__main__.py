"""``python -m collector`` is the ``tevreden`` command."""

from collector.run.cli import main

main()
