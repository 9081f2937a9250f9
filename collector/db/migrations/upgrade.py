"""Runs the migrations that a store has not seen yet."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to a revision, within the transaction of ``connection``."""
    alembic = import_module("alembic.command")  # a start with nothing to do need not wait for it, nor keep it in memory
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    alembic.upgrade(config, revision)
