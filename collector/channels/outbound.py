"""The one way out: every request that the collector makes goes through `Outbound`.

Whoever may name an address to send to could otherwise reach what only this machine reaches: its own ports, the network
behind the firewall, the cloud's metadata. So a host is resolved once, each of its addresses is checked, and the
connection goes to an address that was checked.

::

    OutboundError
    ├── Refused    sending the same again can never succeed
    └── Failed     it may work later, perhaps after a time that the receiver named
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

import httpx2

from collector.errors import TevredenError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2000
"""Characters."""
MOST_BYTES, MOST_CHARACTERS = 64 * 1024, 2000
"""How much of a reply's body is read, and how much of that is kept unless more is asked for."""
EVERYWHERE = ip_network("0.0.0.0/0"), ip_network("::/0")
"""For addresses that only whoever runs the collector can name."""
RESOLVED_SECONDS = 5.0
"""How long the addresses of a name are used again; whatever they become, only those that were checked are reached."""
MOST_RESOLVED = 1000
LONGEST_WAIT = 24 * 60 * 60.0
"""Seconds; a receiver that names a longer ``Retry-After`` is asked again after these."""

_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            # What `ipaddress` calls global, at least in some Python that is supported, and what no receiver lives on.
            "168.63.129.16/32",  # Azure's host, with the metadata of the machine
            "192.0.0.0/24",  # IETF protocols; Oracle's metadata
            "192.88.99.0/24",  # 6to4 relays
            "224.0.0.0/4",  # multicast
            # All IPv6 but 2000::/3, the one block that global addresses are given out from.
            "::/3",
            "4000::/2",
            "8000::/1",
            "2001::/23",  # IETF protocols; Teredo, which embeds any IPv4 address
            "2002::/16",  # 6to4, which does too
            "3fff::/20",  # documentation
        ),
    )
)
_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4 written as IPv6, and IPv4 as a network with IPv6 alone reaches it (NAT64): as public as the IPv4 address is."""

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:%]+)(:[0-9]{1,5})?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class OutboundError(TevredenError):
    """A request that did not get through. ``reason`` is one line that a site owner may read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(OutboundError):
    """Sending the same again can never succeed; nothing is gained by another try."""


class Failed(OutboundError):
    """It may work later; ``retry_after`` is how many seconds the receiver asked to be left alone, if it did."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Reply:
    """What came back, whatever the status: redirects are not followed. The body is its beginning at most."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=httpx2.Headers)

    def retry_after(self, now: datetime) -> float | None:
        """Seconds from ``now`` until the receiver wants to be asked again (RFC 9110, 10.2.3), or None."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]+", value):
            return min(float(value), LONGEST_WAIT)
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        return min(max((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp(), 0.0), LONGEST_WAIT)


class Outbound:
    """Sends requests to the public internet, and into ``allowed`` networks; ``timeout`` is seconds for all of one."""

    def __init__(self, allowed: Sequence[Network] = (), timeout: float = 10) -> None:
        self._allowed = tuple(allowed)
        self._timeout = timeout
        self._resolved: dict[str, tuple[float, Sequence[Address]]] = {}

    @cached_property
    def _transport(self) -> httpx2.AsyncHTTPTransport:
        # A transport and no client: nothing here knows of redirects, proxies, cookies or compressed bodies. Nor is a
        # connection used twice: the pool tells them apart by address, and the name that a certificate was checked
        # for is not part of that. Made when it is first needed: it reads all the certificates of this machine.
        return httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if "_transport" in vars(self):
            await self._transport.aclose()

    async def post(self, url: str, *, content: bytes, headers: Mapping[str, str], most: int = MOST_CHARACTERS) -> Reply:
        """Send ``content`` once and give the answer, of any status, with at most so many characters of its body.

        An answer whose body does not come to an end in time is an answer all the same: its status is known.
        Raises `Refused` for an address that may not be reached and `Failed` when no answer came.
        """
        return await self._ask("POST", url, content, headers, most)

    async def get(self, url: str, *, headers: Mapping[str, str], most: int = MOST_BYTES) -> Reply:
        """As `post`."""
        return await self._ask("GET", url, b"", headers, most)

    async def _ask(self, method: str, url: str, content: bytes, headers: Mapping[str, str], most: int) -> Reply:
        target = _read(url, self._allowed)
        host = _host(target)
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._resolve(target)
                response = await self._send(method, target, addresses, content, headers, deadline)
        except TimeoutError:
            raise Failed(f"{host} did not answer within {self._timeout:g} seconds") from None
        except httpx2.HTTPError as error:
            why = _why(error)
            if isinstance(error, httpx2.ProtocolError) and not why.startswith("Server disconnected"):
                why = "it is not HTTP"  # what the library says holds what the other side sent
            raise Failed(f"{host} gave no proper answer: {why}") from None
        return Reply(response.status_code, await _beginning(response, deadline, most), response.headers)

    async def _resolve(self, target: httpx2.URL) -> Sequence[Address]:
        """Every address of the host, all of which may be reached; a name is looked up once in `RESOLVED_SECONDS`."""
        host = _host(target)
        try:
            return [ip_address(host)]  # it was checked as it was read
        except ValueError:
            pass
        now = asyncio.get_running_loop().time()
        until, addresses = self._resolved.get(host, (now, ()))
        if until > now:
            return addresses
        if len(self._resolved) >= MOST_RESOLVED:
            self._resolved.clear()
        addresses = await self._look_up(target, host)
        self._resolved[host] = now + RESOLVED_SECONDS, addresses
        return addresses

    async def _look_up(self, target: httpx2.URL, host: str) -> Sequence[Address]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, target.port or (443 if target.scheme == "https" else 80), type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise Failed(f"{host} could not be found: {_why(error)}") from None
        addresses = tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))
        if not addresses:
            raise Failed(f"{host} could not be found: it has no address")
        if not all(_may_reach(address, self._allowed) for address in addresses):
            raise Refused(f"{host} resolves to an address that is not public; {_PERMISSION}")
        return addresses

    async def _send(
        self,
        method: str,
        target: httpx2.URL,
        addresses: Sequence[Address],
        content: bytes,
        headers: Mapping[str, str],
        deadline: float,
    ) -> httpx2.Response:
        """Try each address until one takes the connection; once anything was sent there is no other try."""
        now = asyncio.get_running_loop().time
        sent = httpx2.Headers(headers)
        sent.update({"host": target.netloc.decode("ascii"), "connection": "close", "accept-encoding": "identity"})
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            # The certificate is checked for the name, and an address that swallows everything leaves time for the next.
            options = {"sni_hostname": _host(target), "timeout": {"connect": max(deadline - now(), 0) / left}}
            pinned = target.copy_with(host=str(address))
            request = httpx2.Request(method, pinned, headers=sent, content=content, extensions=options)
            try:
                return await self._transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                why = _why(error)
        raise Failed(f"no connection to {_host(target)}: {why}")


def check_address(url: str, allowed: Sequence[Network] = ()) -> None:
    """Raise `Refused` for what `Outbound.post` would refuse by its form alone; no name is looked up."""
    _read(url, tuple(allowed))


_PERMISSION = "whoever runs the collector can allow its network"


@lru_cache(maxsize=1024)
def _read(url: str, allowed: tuple[Network, ...]) -> httpx2.URL:
    """The parsed address, whose host is a name or a literal that may be reached. What is sent is built from this."""
    if len(url) > LONGEST_URL or not url.isprintable() or re.search(r"[ \\]", url):
        raise Refused(f"the address must be at most {LONGEST_URL} characters, without spaces or backslashes")
    if not re.match(r"https?://", url, re.IGNORECASE):
        raise Refused("the address must begin with https:// or http://")
    if "#" in url:
        raise Refused("the address must not contain a # part; it is never sent")
    authority = re.split(r"[/?]", url.split("://", 1)[1], maxsplit=1)[0]
    if "@" in authority:
        raise Refused("the address must not contain a user name or password; put a secret in the path or query instead")
    try:
        target = httpx2.URL(url) if _AUTHORITY.fullmatch(authority) else None
    except httpx2.InvalidURL:
        target = None
    if target is None or not (target.port is None or 1 <= target.port <= 65535):
        raise Refused("the address must name a host and perhaps a port, such as https://example.com:8443/hook")
    host = _host(target)
    try:
        literal = ip_address(host)
    except ValueError:
        _check_name(host, allowed)
    else:
        if not _may_reach(literal, allowed):
            raise Refused(f"{literal} is not a public address; {_PERMISSION}")
    return target


def _check_name(host: str, allowed: Sequence[Network]) -> None:
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise Refused("the host must be a name such as example.com, with no dot at its end")
    last = host.rsplit(".", 1)[-1]
    if _NUMBER.fullmatch(last):  # 2130706433, 0x7f.1 and 0177.1 are all 127.0.0.1 to a resolver
        raise Refused("a host in numbers must be four decimal ones, such as 198.51.100.7, without leading zeros")
    if last == "localhost" and not any(_may_reach(ip_address(own), allowed) for own in ("127.0.0.1", "::1")):
        raise Refused(f"{host} is the collector's own machine, not a public address; {_PERMISSION}")


def _host(target: httpx2.URL) -> str:
    """The host as it is asked for in the DNS: ASCII in lower case, an IPv6 address without its brackets."""
    return target.raw_host.decode("ascii")


def _may_reach(address: Address, allowed: Sequence[Network]) -> bool:
    embeds = any(address in network for network in _EMBEDDING)
    real = IPv4Address(int(address) & 0xFFFFFFFF) if embeds else address
    if any(real in network or address in network for network in allowed):
        return True
    return real.is_global and not any(real in network for network in _NOT_PUBLIC)


async def _beginning(response: httpx2.Response, deadline: float, most: int) -> str:
    """The first characters of the body, or of what came of it before the deadline or before the connection broke."""
    taken = bytearray()
    try:
        with suppress(TimeoutError, httpx2.HTTPError):
            async with asyncio.timeout_at(deadline), aclosing(response.aiter_raw()) as chunks:
                async for chunk in chunks:
                    taken += chunk
                    if len(taken) >= MOST_BYTES:
                        break
    finally:
        await response.aclose()
    return taken[:MOST_BYTES].decode("utf-8", "replace")[:most]


def _why(error: BaseException) -> str:
    """The innermost cause in a few words: the libraries wrap it, and say less on the outside."""
    words = str(error) or ("it took too long" if isinstance(error, httpx2.TimeoutException) else "it hung up")
    seen: object = error
    while isinstance(seen, BaseException):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not valid, {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return "it speaks no TLS that is understood here"
        if isinstance(seen, OSError) and seen.errno:
            words = (seen.strerror if isinstance(seen, socket.gaierror) else os.strerror(seen.errno)) or words
        seen = seen.__cause__ or next(iter(seen.args), None)
    return " ".join(words.split())
