"""How much one client address and one site may send.

Every request with events passes here, so a look costs a fraction of a microsecond; the library that counts sign-ins
takes ten times that.
"""

from __future__ import annotations

import time
from ipaddress import IPv6Address

from collector.errors import TooManyTries

MOST_KEPT = 100_000
"""Names whose count is kept at the same time; past that, those who have been quiet are forgotten."""


class Buckets:
    """A token bucket for each name: a minute's worth at once, then as many as come in in time."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> float:
        """Seconds until one more is allowed, 0 when it is allowed now."""
        if not self._most:
            return 0.0
        now = time.monotonic()
        left, since = self._buckets.get(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        if left < 1:
            self._buckets[name] = (left, now)
            return (1 - left) / self._per_second
        if len(self._buckets) >= MOST_KEPT:
            self._forget_the_quiet(now)
        self._buckets[name] = (left - 1, now)
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


class Limits:
    """Of one process."""

    def __init__(self, *, per_address: int, per_site: int) -> None:
        self._addresses, self._sites = Buckets(per_address), Buckets(per_site)

    def check_address(self, address: str) -> None:
        """Raises `TooManyTries`, which the browser keeps the answer after."""
        if wait := self._addresses.take(share_of(address)):
            raise _come_back(wait)

    def check_site(self, site: str) -> None:
        """Raises `TooManyTries`."""
        if wait := self._sites.take(site):
            raise _come_back(wait)


def share_of(address: str) -> str:
    """Those who count as one: an IPv4 address, or an IPv6 network of 64 bits, the least that one customer is given."""
    if ":" not in address:
        return address
    try:
        six = IPv6Address(address)
    except ValueError:
        return address
    return str(six.ipv4_mapped) if six.ipv4_mapped else six.packed[:8].hex()


def _come_back(seconds: float) -> TooManyTries:
    return TooManyTries("Too much at once.", headers={"Retry-After": str(max(1, round(seconds + 0.5)))})
