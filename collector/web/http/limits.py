"""How much one client address and one site may send.

Every request with events passes here, so a look costs a fraction of a microsecond; the library that counts sign-ins
takes ten times that.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Address

from collector.errors import TooManyTries
from collector.settings import plain_address

MOST_KEPT = 100_000
"""Names whose count is kept at the same time; past that, those who have been quiet are forgotten."""


class Buckets:
    """A token bucket for each name: so much at once, then as it comes in again over ``seconds``."""

    def __init__(self, most: int, seconds: int = 60) -> None:
        self._most = float(most)
        self._per_second = most / seconds
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str, cost: int = 1) -> float:
        """Seconds until that is allowed, 0 when it is allowed now. What costs more than there is at once is allowed
        when nothing was taken lately, and waited for afterwards."""
        if not self._most:
            return 0.0
        now = time.monotonic()
        left, since = self._buckets.get(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        needed = min(cost, self._most)
        if left < needed:
            self._buckets[name] = (left, now)
            return (needed - left) / self._per_second
        if len(self._buckets) >= MOST_KEPT:
            self._forget_the_quiet(now)
        self._buckets[name] = (left - cost, now)
        return 0.0

    def _forget_the_quiet(self, now: float) -> None:
        full = self._most - 1
        busy = {
            name: (left, since)
            for name, (left, since) in self._buckets.items()
            if left + (now - since) * self._per_second < full
        }
        # all busy: someone makes up addresses, and forgetting everyone is better than growing for ever
        self._buckets = busy if len(busy) < MOST_KEPT // 2 else {}


BYTES_PER_EVENT = 1024
"""What an address may send a minute, for each event that it may: an answer without a comment has 400 bytes."""
JOBS_PER_EVENT = 5
"""Deliveries to webhooks that an address may cause a minute, for each event that it may send."""
EVENTS_PER_VISITOR = 300
"""In a minute; a day without a network is at most that much."""
NAMES_PER_ADDRESS = 40
"""Pages that results begin to name because of one address, in a day."""
DAY = 86_400


class Limits:
    """Of one process. ``per_address`` and ``per_site`` are events a minute; 0 is no limit, neither on visitors."""

    def __init__(self, *, per_address: int, per_site: int) -> None:
        self._addresses, self._sites = Buckets(per_address), Buckets(per_site)
        self._bytes = Buckets(per_address * BYTES_PER_EVENT)
        self._jobs = Buckets(per_address * JOBS_PER_EVENT)
        self._visitors = Buckets(EVENTS_PER_VISITOR if per_address else 0)
        self._names = Buckets(NAMES_PER_ADDRESS if per_address else 0, DAY)

    def check_body(self, address: str, size: int) -> None:
        """Before so many bytes are read as JSON. Raises `TooManyTries`, which the browser keeps the answer after."""
        _allow(self._bytes.take(share_of(address), size))

    def check_events(self, address: str, count: int) -> None:
        """Raises `TooManyTries`."""
        _allow(self._addresses.take(share_of(address), count))

    def check_jobs(self, address: str, count: int) -> None:
        """Before answers cause so many deliveries to webhooks. Raises `TooManyTries`."""
        if count:
            _allow(self._jobs.take(share_of(address), count))

    def check_site(self, site: str, count: int) -> None:
        """Raises `TooManyTries`."""
        _allow(self._sites.take(site, count))

    def check_visitor(self, visitor: str, count: int) -> None:
        """Raises `TooManyTries`."""
        _allow(self._visitors.take(visitor, count))

    def may_name(self, address: str) -> bool:
        """Whether one more page may be named in results because of this address."""
        return not self._names.take(share_of(address))


def share_of(address: str) -> str:
    """Those who count as one: an IPv4 address, or an IPv6 network of 64 bits, the least that one customer is given."""
    address = plain_address(address)
    if ":" not in address:
        return address
    try:
        return IPv6Address(address).packed[:8].hex()
    except ValueError:
        return address


def _allow(seconds: float) -> None:
    if seconds:
        raise TooManyTries(
            "Too many requests. Try again later.", headers={"Retry-After": str(max(1, round(seconds + 0.5)))}
        )
