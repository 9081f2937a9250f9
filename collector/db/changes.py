"""Who keeps something of the store at hand hears of what changed: noted in a transaction, told once it is on disk.

A change is named by the key of the site that it is of.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

Changed = Callable[[str | None], None]
"""Is told the key of a site; None when anything may have changed."""
_NOTED = "tevreden.changes"


def begin_noting(connection: AsyncConnection) -> set[str]:
    """What will be noted in the transaction that begins now."""
    noted: set[str] = set()
    connection.info[_NOTED] = noted
    return noted


def note_change(connection: AsyncConnection, site_key: str) -> None:
    """Once this transaction is on disk, every process looks anew at what visitors see of a site."""
    connection.info[_NOTED].add(site_key)
