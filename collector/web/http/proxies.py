"""Who is asking when a proxy stands in between: only those that the settings name are believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from collector.settings import plain_address

LONGEST_ADDRESS = 64
"""Characters: an IPv6 address with its zone has fewer. What is longer is no address."""
MOST_HOPS = 20
"""Entries of X-Forwarded-For that are looked at, from the last one back."""


class TrustedProxies:
    """The application behind proxies: X-Forwarded-For and X-Forwarded-Proto of those that are trusted say who asks."""

    def __init__(self, app: ASGIApp, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._app, self._networks = app, networks
        self._looked_up = lru_cache(maxsize=1024)(self._look_up)

    def trusts(self, address: str) -> bool:
        """Whether an address, as `plain_address` gives it, is that of a proxy which is believed."""
        return bool(self._networks) and len(address) <= LONGEST_ADDRESS and self._looked_up(address)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["client"] and self.trusts(scope["client"][0]):
            forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            schemes = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
            if address := self._first_stranger(b",".join(forwarded).decode("latin-1")):
                scope["client"] = address, 0
            scheme = schemes[0].decode("latin-1").partition(",")[0].strip().lower() if schemes else ""
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
        await self._app(scope, receive, send)

    def _first_stranger(self, forwarded: str) -> str:
        """The last entry that is no proxy of ours; where all are, the first of them.

        What stands before an entry that is no address may be made up by whoever asks.
        """
        address = ""
        for entry in reversed(forwarded.split(",")[-MOST_HOPS:]):
            if not entry.strip():
                continue
            here = _without_port(entry.strip())
            if not here:
                break
            address = here
            if not self.trusts(here):
                break
        return address

    def _look_up(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def _without_port(entry: str) -> str:
    """The address in an entry of X-Forwarded-For, to which some proxies add a port; nothing for what is none."""
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    entry = plain_address(entry[:LONGEST_ADDRESS])
    try:
        ip_address(entry)
    except ValueError:
        return ""
    return entry
