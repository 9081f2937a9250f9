"""The events of one request each by itself, when all of them together could not be stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from collector.errors import Fault, Invalid, Problem
from collector.responses.intake import Arrival, Receipt

Take = Callable[[list[Arrival]], Awaitable[Sequence[Receipt | Problem]]]

log = structlog.get_logger()


async def take_one_by_one(arrival: Arrival, take: Take) -> Receipt | Problem:
    """What became of each: only those that cannot be stored are refused. Raises what keeps all of them out."""
    whole = Receipt([], {}, arrival.visitor)
    for event in arrival.events:
        part = replace(arrival, events=[event], visitor=whole.visitor)
        try:
            (receipt,) = await take([part])
        except Problem:
            raise
        except Exception as error:
            log.error("unexpected in a transaction", exc_info=error)
            receipt = Problem()
        if isinstance(receipt, Problem):
            whole.refused[event.name] = receipt
        else:
            whole.stored += receipt.stored
            whole.refused.update(receipt.refused)
            whole.visitor = receipt.visitor
    return whole if whole.stored else next(iter(whole.refused.values()))


def cannot_be_kept(arrival: Arrival) -> Invalid:
    """Why the one event of an arrival is refused for good."""
    return Invalid(faults=[Fault(arrival.events[0].at, "has text that the store cannot keep")])
