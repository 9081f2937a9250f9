"""The address of a PostgreSQL server as hosts hand it out, with what libpq knows and the driver here does not."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from collector.errors import SettingsError

_DRIVERS = {
    *("host", "port", "dbname", "database", "user", "password", "passfile", "service", "krbsrvname", "gsslib"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs"),
}
"""What the driver reads itself."""
_AS_IT_IS = {
    "channel_binding": r"disable|prefer",
    "gssencmode": r"disable|prefer",
    "gssdelegation": r"0",
    "sslcompression": r"0|1",
    "sslsni": r"1",
    "sslcertmode": r"allow|disable",
    "replication": r"false|off|no|0",
    "client_encoding": r"(?i:auto|utf-?8|unicode)",
    "fallback_application_name": r".*",
    "load_balance_hosts": r"disable",
    "min_protocol_version": r"3\.0",
    "max_protocol_version": r"3\.\d+|latest",
    "keepalives": r"1",
    "servicefile": r"",
    "requirepeer": r"",
    "require_auth": r"",
}
"""What libpq knows beside that, with the values that ask for nothing but what is done anyway."""
_OF_SOCKETS = {
    "keepalives_idle": (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
    "keepalives_interval": (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
    "keepalives_count": (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
    "tcp_user_timeout": (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"),
}
SETTING = "TEVREDEN_DATABASE_URL"


@dataclass(frozen=True)
class Address:
    """Where the server is, and how it is spoken to."""

    dsn: str
    """What the driver reads; the rest of the query is sent to the server as settings."""
    application_name: str = "tevreden"
    timeout: float | None = None
    """Seconds for a connection to be made, if the address says."""
    options: dict[str, Any] = field(default_factory=dict)
    """For the driver's ``connect``."""
    on_socket: list[tuple[int, int, int]] = field(default_factory=list)
    """Level, option and value for each connection's socket."""
    sent: tuple[str, ...] = ()
    """The names of the settings that are sent to the server."""

    def prepare(self, connection: Any) -> None:
        """What is asked for of the socket of a new connection."""
        if not self.on_socket:
            return
        transport = connection._transport  # the driver has no other way to it
        its: Any = transport.get_extra_info("socket")
        for level, option, value in self.on_socket:
            with suppress(OSError):  # a socket of the machine itself has no such options
                its.setsockopt(level, option, value)

    def refused(self, said: str) -> str:
        """What to leave out, if the server's words are about something that was sent to it; else nothing."""
        quoted = re.findall(r'"([^"]+)"|parameter:? (\w+)', said)
        names = {name.lower() for pair in quoted for name in pair if name}
        found = next((name for name in self.sent if name.lower() in names), None)
        return f"the server does not support {found}: leave {found} out of {SETTING}" if found else ""


def read_address(url: str) -> Address:
    """Raises `SettingsError` that says what to leave out."""
    parts = urlsplit(url)
    kept, sent, on_socket, options = [], [], list[tuple[int, int, int]](), dict[str, Any]()
    application, timeout = "tevreden", None
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if not value:
            continue
        if name == "application_name":
            application = value
        elif name == "connect_timeout":
            timeout = float(max(2, seconds)) if (seconds := _whole(name, value)) > 0 else None
        elif name == "sslrootcert" and value == "system":
            options["ssl"] = _system_certificates(url)
        elif name == "keepalives" and _whole(name, value) == 0:
            on_socket.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0))
        elif name in _OF_SOCKETS:
            on_socket += _socket_option(name, value)
        elif name in _AS_IT_IS:
            _require_as_it_is(name, value)
        else:
            kept.append((name, value))
            sent += [name] if name not in _DRIVERS else []
    query = urlencode(kept, quote_via=_percent)
    dsn = urlunsplit(parts._replace(query=query))
    return Address(dsn, application, timeout, options, on_socket, tuple(sent))


_percent: Callable[..., str] = quote


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,9}", value.strip()):
        raise SettingsError(f"{SETTING}: {name} must be a whole number, not {value!r}")
    return int(value)


def _socket_option(name: str, value: str) -> list[tuple[int, int, int]]:
    level, option = _OF_SOCKETS[name]
    number = _whole(name, value)
    if number <= 0 or not hasattr(socket, option):  # nought is the system's own
        return []
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (level, getattr(socket, option), number)]


def _require_as_it_is(name: str, value: str) -> None:
    if not re.fullmatch(_AS_IT_IS[name], value):
        raise SettingsError(f"{SETTING}: {name}={value} is not supported; leave {name} out")


def _system_certificates(url: str) -> ssl.SSLContext:
    mode = dict(parse_qsl(urlsplit(url).query)).get("sslmode", "verify-full")
    if mode != "verify-full":
        raise SettingsError(f"{SETTING}: sslrootcert=system needs sslmode=verify-full, not {mode}")
    return ssl.create_default_context()
