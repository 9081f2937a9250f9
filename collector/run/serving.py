"""Runs the collector: the server with its signals and sockets, and where log lines go."""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import urlsplit

import structlog
import typer
import uvicorn

from collector.errors import SettingsError, Unavailable
from collector.run.app import create_app, first_account_address, open_services
from collector.settings import Settings, networks_in, port_of_a_service
from collector.web.http.protocol import guarded
from collector.web.http.proxies import TrustedProxies
from collector.web.visitors.routes import DirectRoutes

MOST_OPEN_FILES = 65_536
GARBAGE = 20_000
"""Objects made before the youngest are looked through: a batch of answers makes thousands that all go at its end."""

_KNOWN_TO_LISTS = re.compile("collect(or)?|stats?|analytics?|track(er|ing)?|metrics|telemetry|beacon|pixel|ads?")
"""First labels of hosts that content blockers have rules about."""


class _Server(uvicorn.Server):
    """Comes back after a signal instead of dying of it, so that the store is closed in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        earlier = {one: signal.signal(one, self.handle_exit) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in earlier.items():
                signal.signal(one, handler)


class _Forgiving:
    """Where log lines go: one that cannot be written, on a full disk, is lost and costs nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def log_to_stderr(settings: Settings) -> None:
    as_json = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # A traceback with what its variables hold would put passwords and secrets into the log.
    as_text = [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(as_json if settings.log_format == "json" else as_text),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Forgiving(sys.stderr))),
    )


def in_a_loop(running: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvicorn.Config(app="").get_loop_factory()) as runner:
        runner.run(running)


def run_server(settings: Settings, examples: Path | None = None, welcome: str = "") -> None:
    log_to_stderr(settings)
    _open_files()

    async def run() -> None:
        async with open_services(settings, examples=examples) as services:
            listening, directly = _listen(settings.host, settings.port), DirectRoutes(services)
            app = TrustedProxies(create_app(services), networks_in(settings.trusted_proxies))
            config = uvicorn.Config(
                app,
                http=guarded(exempt=app.trusts, direct=directly),
                ws="none",
                interface="asgi3",
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                proxy_headers=False,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=20,
            )
            gc.freeze()  # what is there by now stays: no need to look through it again and again
            gc.set_threshold(GARBAGE, 20, 20)
            typer.echo(welcome, nl=False)
            with suppress(Unavailable, OSError):  # a server that cannot write serves what it has
                if link := await first_account_address(services):
                    typer.echo(f"\n  There are no users yet. Create the first account within 24 hours:\n  {link}\n")
            if blocked := host_that_lists_know(settings.public_url):
                structlog.get_logger().warning(blocked)
            if ignored := port_of_a_service():
                structlog.get_logger().warning(ignored)
            structlog.get_logger().info("serving", url=settings.public_url, database=services.database.name)
            await _Server(config).serve(sockets=[listening])
            await directly.close()

    in_a_loop(run())


def host_that_lists_know(url: str) -> str | None:
    """What to say of an address whose host is called as those are that content blockers stop."""
    first = (urlsplit(url).hostname or "").partition(".")[0]
    if not _KNOWN_TO_LISTS.fullmatch(first):
        return None
    return (
        f"content blockers stop much on hosts that begin with {first}. — surveys. or feedback. is safer in the base URL"
    )


def _open_files() -> None:
    """As many connections as the system allows; what a shell starts with is often a tenth of that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(host: str, port: int) -> socket.socket:
    """Claim the port. Raises `SettingsError` when it cannot be had."""
    try:
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:  # a machine without IPv6
        raise SettingsError(f"cannot listen on {host}: {error.strerror}") from None
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in host:  # :: is for both families, whatever the system's default
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from None
    return listening
