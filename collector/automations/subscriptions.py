"""Who wants to hear of what has happened: one event of the outbox becomes a job for each of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from collector.automations.webhooks import KIND, webhooks_of
from collector.db.outbox import hold_back, put_in_place, take_events

AT_ONCE = 500
"""Events that one transaction tells of."""


async def tell(connection: AsyncConnection, *, now: datetime) -> int:
    """Tell whoever wants to hear of what has happened, as far as nobody did yet; how many events there were."""
    events = await take_events(connection, most=AT_ONCE)
    if events:
        listening = await webhooks_of(connection, {event.site_id for event in events})
        await put_in_place(connection, KIND, listening, events, now)
    return len(events)


async def hold_back_deliveries(connection: AsyncConnection, *, now: datetime) -> int:
    """Let nothing go out that has waited in a backup, since it may have been sent after that was taken: each delivery
    is given up with this reason until somebody asks for it again. How many there are."""
    while await tell(connection, now=now):
        pass
    return await hold_back(connection, KIND, "held back by a restore: it may have been sent before", now=now)
