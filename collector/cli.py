"""The ``tevreden`` command."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvicorn
from sqlalchemy.ext.asyncio import AsyncConnection

from collector import __version__, accounts, demo
from collector.app import create_app, open_house
from collector.db import Database
from collector.errors import Problem, SettingsError, TevredenError
from collector.settings import Settings, described, load
from collector.signing import Signing
from collector.sites import create_site
from collector.web.resources import tag

cli = typer.Typer(
    help="Customer-satisfaction surveys on your own pages, answered into your own store.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
user_commands = typer.Typer(help="People who may sign in.", no_args_is_help=True)
token_commands = typer.Typer(help="Tokens for the REST interface.", no_args_is_help=True)
site_commands = typer.Typer(help="Websites that carry the tag.", no_args_is_help=True)
cli.add_typer(user_commands, name="user")
cli.add_typer(token_commands, name="token")
cli.add_typer(site_commands, name="site")

SETTINGS_HELP = "**Settings** are environment variables, or lines of a `.env` file:\n\n" + "\n\n".join(
    f"`{name}` {meaning}" + (f" Default: `{default}`." if default else "") for name, default, meaning in described()
)
Host = Annotated[str | None, typer.Option(help="Instead of TEVREDEN_HOST.")]
Port = Annotated[int | None, typer.Option(help="Instead of TEVREDEN_PORT.")]


@cli.command(epilog=SETTINGS_HELP)
def serve(host: Host = None, port: Port = None) -> None:
    """Start the collector."""
    _run_server(load(host=host, port=port))


@cli.command("demo")
def run_demo(
    port: Port = None,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its store.")] = Path(".demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw away what an earlier demo kept.")] = False,
) -> None:
    """Start a collector with a sample shop, a published survey on each of its pages, and the admin."""
    examples = demo.examples_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if fresh:
        for file in folder.glob("demo.db*"):
            file.unlink()
    settings = load(host="127.0.0.1", port=port, database_url=f"sqlite:///{folder / 'demo.db'}", base_url="")
    settings = settings.with_secret()
    signing = Signing(settings.secret)

    async def prepare(connection: AsyncConnection) -> None:
        await demo.set_up(connection, signing, now=_now())

    _with_store(settings, prepare)
    url = settings.public_url
    _run_server(
        settings,
        examples,
        welcome=f"\n  Sample shop   {url}/demo/\n"
        f"                Each page has a survey of its own: scroll on Plants, press the call-out on a product\n"
        f"                and in the cart, order, and see the Dutch and the Arabic page.\n"
        f"  Admin         {url}/admin\n"
        f"     e-mail     {demo.USER}\n"
        f"     password   {signing.demo_password()}\n"
        f"  API           {url}/api\n"
        f"     token      {signing.demo_token()}\n\n"
        f"  Answers are kept in {folder}; tevreden demo --fresh begins anew. Ctrl-C stops.\n",
    )


@cli.command()
def migrate() -> None:
    """Bring the tables up to date; serve does so by itself as it starts."""

    async def nothing(_: AsyncConnection) -> None:
        return None

    _with_store(load(), nothing)
    typer.echo("The tables are up to date.")


@user_commands.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="What the person signs in with.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            help=f"At least {accounts.SHORTEST_PASSWORD} characters; asked for if left out.",
        ),
    ],
) -> None:
    """Let someone sign in to the admin."""

    async def add(connection: AsyncConnection) -> accounts.User:
        return await accounts.add_user(connection, email, password, now=_now())

    user = _with_store(load(), add)
    typer.echo(f"{user.email} can sign in now.")


@token_commands.command("add")
def token_add(name: Annotated[str, typer.Argument(help="What it is for, such as the program that uses it.")]) -> None:
    """Make a token for the REST interface and print it; it cannot be shown again."""

    async def add(connection: AsyncConnection) -> str:
        return await accounts.add_token(connection, name, now=_now())

    typer.echo(_with_store(load(), add))


@site_commands.command("add")
def site_add(name: Annotated[str, typer.Argument(help="What the site is called.")]) -> None:
    """Add a website and print its tag."""
    settings = load()

    async def add(connection: AsyncConnection) -> str:
        return (await create_site(connection, name, now=_now())).key

    typer.echo(tag(settings.public_url, _with_store(settings, add)))


@cli.callback(invoke_without_command=True)
def version_option(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def _now() -> datetime:
    return datetime.now(UTC)


def _with_store(settings: Settings, work: Callable[[AsyncConnection], Awaitable[Any]]) -> Any:
    """Run some work in one transaction of its own."""

    async def run() -> Any:
        database = await Database.open(settings.database_file)
        try:
            async with database.write() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(run())


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


def _run_server(settings: Settings, examples: Path | None = None, welcome: str = "") -> None:
    as_json = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    as_text = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(as_json if settings.log_format == "json" else as_text),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

    async def run() -> None:
        async with open_house(settings, examples=examples) as house:
            listening = _listen(settings.host, settings.port)
            config = uvicorn.Config(
                create_app(house),
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=settings.trusted_proxies or None,
                timeout_graceful_shutdown=10,
                timeout_keep_alive=20,
            )
            typer.echo(welcome, nl=False)
            structlog.get_logger().info("serving", url=settings.public_url, database=str(settings.database_file))
            await _Server(config).serve(sockets=[listening])

    with asyncio.Runner(loop_factory=uvicorn.Config(app="").get_loop_factory()) as runner:
        runner.run(run())


def _listen(host: str, port: int) -> socket.socket:
    """Claim the port. Raises `SettingsError` when it cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port"
        ) from None
    return listening


def main() -> None:
    """Run the command; whatever is wrong is one line and exit code 1 or 2, never a traceback."""
    try:
        cli()
    except SettingsError as error:
        sys.exit(f"tevreden: {error}")
    except Problem as error:
        places = "; ".join(f"{fault.at.lstrip('/?')}: {fault.detail}" for fault in error.faults)
        sys.exit(f"tevreden: {places or error.detail or error.title}")
    except TevredenError as error:
        sys.exit(f"tevreden: {error}")
