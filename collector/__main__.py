"""``python -m collector`` is the ``tevreden`` command."""

from collector.cli import main

main()
