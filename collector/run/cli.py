"""The ``tevreden`` command."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from collector import __version__
from collector.access import accounts
from collector.access.audit import COMMAND_LINE, record
from collector.access.installation import check_restored, go_on_with, is_right, what_is_lost
from collector.access.resets import make_reset
from collector.access.signing import Signing
from collector.access.sites import create_site, list_sites
from collector.access.tokens import add_token
from collector.access.two_factor import turn_off
from collector.automations.subscriptions import hold_back_deliveries
from collector.db.backup import back_up, restore, token_names
from collector.db.opening import opened
from collector.db.store import Database
from collector.errors import NotFound, Problem, SettingsError, TevredenError
from collector.responses.rollups import Difference, put_right, recount
from collector.run import demo
from collector.run.app import work
from collector.run.serving import in_a_loop, log_to_stderr, run_server
from collector.settings import Settings, described, load
from collector.surveys.lifecycle import Survey, list_surveys
from collector.testing.check import check_page, report
from collector.web.visitors.addresses import tag

cli = typer.Typer(
    help="Customer-satisfaction surveys for your own website, on your own server.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
user_commands = typer.Typer(help="Manage users who sign in to the admin.", no_args_is_help=True)
token_commands = typer.Typer(help="Manage API tokens.", no_args_is_help=True)
site_commands = typer.Typer(help="Manage sites.", no_args_is_help=True)
cli.add_typer(user_commands, name="user")
cli.add_typer(token_commands, name="token")
cli.add_typer(site_commands, name="site")

SETTINGS_HELP = "**Settings** are environment variables, or lines of a `.env` file:\n\n" + "\n\n".join(
    f"`{name}` {meaning}" + (f" Default: `{default}`." if default else "") for name, default, meaning in described()
)
Host = Annotated[str | None, typer.Option(help="Overrides TEVREDEN_HOST.")]
REPAIRED_AT_ONCE = 200
"""Sums that one transaction puts right."""
Port = Annotated[int | None, typer.Option(help="Overrides TEVREDEN_PORT.")]


@cli.command(epilog=SETTINGS_HELP)
def serve(host: Host = None, port: Port = None) -> None:
    """Start the collector."""
    run_server(load(host=host, port=port))


@cli.command("demo")
def run_demo(
    port: Port = None,
    folder: Annotated[Path, typer.Option(help="Folder for the demo's database.")] = Path(".demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the data of an earlier demo first.")] = False,
    samples: Annotated[
        bool, typer.Option("--samples/--without-samples", help="With or without 90 days of sample results.")
    ] = True,
) -> None:
    """Start a collector with a sample shop, a survey on each of its pages, and the admin."""
    examples = demo.examples_folder()
    folder.mkdir(parents=True, exist_ok=True)
    if fresh:
        for file in folder.glob("demo.db*"):
            file.unlink()
    settings = load(host="127.0.0.1", port=port, database_url=f"sqlite:///{folder / 'demo.db'}", base_url="")
    settings = settings.with_secret()
    signing = Signing(settings.secret)

    async def prepare(connection: AsyncConnection) -> None:
        await demo.set_up(connection, signing, samples=samples, now=_now())

    _with_store(settings, prepare)
    url = settings.public_url
    run_server(
        settings,
        examples,
        welcome=f"\n  Sample shop   {url}/demo/\n"
        f"                Each page has its own survey: scroll on Plants, press the call-out on a product\n"
        f"                and in the cart, place an order, and see the Dutch and Arabic pages.\n"
        f"  Admin         {url}/admin\n"
        f"     e-mail     {demo.USER}\n"
        f"     password   {signing.demo_password()}\n"
        f"  API           {url}/api\n"
        f"     token      {signing.demo_token()}\n\n"
        f"  Data is stored in {folder}; tevreden demo --fresh starts over. Press Ctrl-C to stop.\n",
    )


@cli.command()
def migrate() -> None:
    """Update the database tables; serve does so when it starts."""

    async def nothing(_: AsyncConnection) -> None:
        return None

    _with_store(load(), nothing)
    typer.echo("The database tables are up to date.")


@cli.command()
def worker() -> None:
    """Run background jobs only, such as webhooks. Needs PostgreSQL; run as many as you like."""
    settings = load()
    if settings.database_file:
        raise SettingsError("a worker needs PostgreSQL; with SQLite, tevreden serve runs the jobs itself")
    log_to_stderr(settings)

    async def run() -> None:
        working = asyncio.ensure_future(work(settings))
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, working.cancel)
        with suppress(asyncio.CancelledError):
            await working

    in_a_loop(run())


@cli.command("check-data")
def check_data(
    repair: Annotated[bool, typer.Option("--repair", help="Correct the totals that differ.")] = False,
) -> None:
    """Count every answer again and compare with the totals in the results. Exit code 3 if they differ."""
    settings = load()

    async def check() -> int:
        async with opened(settings) as database:
            return await _check_sums(database, repair=repair)

    if differences := asyncio.run(check()):
        typer.echo(f"{differences} totals {'were corrected' if repair else 'differ; --repair corrects them'}.")
        raise typer.Exit(0 if repair else 3)
    typer.echo("All totals are correct.")


async def _check_sums(database: Database, *, repair: bool) -> int:
    async with database.read() as connection:
        every = [survey for site in await list_sites(connection) for survey in await list_surveys(connection, site.id)]
    found = 0
    for survey in every:
        differences = await _repair(database, survey) if repair else await _recount(database, survey)
        for one in differences:
            where = f"{one.day} {one.dimension} {one.value or 'other'}"
            typer.echo(f"{survey.name}, {where}: stored {one.kept}, counted {one.counted}")
        found += len(differences)
    return found


async def _recount(database: Database, survey: Survey) -> list[Difference]:
    async with database.read() as connection:
        return await recount(connection, survey.site_id, survey.number)


async def _repair(database: Database, survey: Survey) -> list[Difference]:
    """In short transactions after the count, so that answers come in meanwhile; each is right by itself."""
    async with database.repairing():
        differences = await _recount(database, survey)
        for start in range(0, len(differences), REPAIRED_AT_ONCE):
            some = differences[start : start + REPAIRED_AT_ONCE]
            async with database.write() as connection:
                await put_right(connection, survey.site_id, survey.number, some)
    return differences


@cli.command("backup")
def run_backup(file: Annotated[Path, typer.Argument(help="The new backup file; it must not exist.")]) -> None:
    """Back up everything into one file while the collector runs. Keep the secret with it."""
    settings = load()

    async def run() -> None:
        async with opened(settings) as database:
            with _progress() as progress:
                await back_up(database, file, progress)

    asyncio.run(run())
    kept = f"the file {settings.database_file}.secret" if settings.database_file else "TEVREDEN_SECRET"
    also = "" if settings.secret and settings.database_file else f" Keep {kept} with it: all tokens depend on it."
    typer.echo(f"Backed up everything to {file}.{also}")


@cli.command("restore")
def run_restore(
    file: Annotated[Path, typer.Argument(help="A backup of a SQLite or PostgreSQL database.", readable=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace everything in the database.")] = False,
    keep_tokens: Annotated[
        bool | None,
        typer.Option(
            "--keep-tokens/--revoke-tokens", help="Restore or revoke the API tokens in the backup. Asks if left out."
        ),
    ] = None,
) -> None:
    """Restore a backup into the database of the settings. Stop the collector first."""
    settings = load()
    names = token_names(file)
    called = ", ".join(names)
    if names and keep_tokens is None and sys.stdin.isatty():
        typer.echo(f"API tokens in the backup, including any revoked since: {called}")
        keep_tokens = typer.confirm("Restore these tokens?", default=False)

    held = 0

    async def finish(connection: AsyncConnection) -> None:
        nonlocal held
        held = await hold_back_deliveries(connection, now=_now())

    async def run() -> str | None:
        async with opened(settings, serving=True) as database:
            with _progress() as progress:
                kept = bool(keep_tokens)
                await restore(file, database, progress, overwrite=overwrite, keep_tokens=kept, finish=finish)
            return await check_restored(database, settings)

    wrong = asyncio.run(run())
    typer.echo(f"Restored everything from {file}, including users and passwords. All users are signed out.")
    typer.echo(
        "Recovery codes are not restored: users with two-factor authentication create new ones in their account."
    )
    if held:
        typer.echo(
            f"{held} webhook deliveries are held back, as they may already have been sent: redo those that are missing."
        )
    if names:
        kept = "were restored" if keep_tokens else "were revoked; use --keep-tokens to restore them"
        typer.echo(f"API tokens ({called}) {kept}.")
    if wrong:
        typer.echo(f"Before you start the collector: {wrong}.", err=True)


@cli.command("new-secret")
def new_secret(
    yes: Annotated[bool, typer.Option("--yes", help="Continue without a prompt.")] = False,
) -> None:
    """Continue with a new secret when the one of the database is lost. Stop the collector first."""
    settings = load()

    async def run() -> bool:
        async with opened(settings, serving=True) as database:
            signing = Signing(settings.with_secret().secret)
            async with database.read() as connection:
                if await is_right(connection, signing):
                    return False
                lost = await what_is_lost(connection)
            typer.echo(str(lost))
            if not yes and not (sys.stdin.isatty() and typer.confirm("Continue?", default=False)):
                raise SettingsError("nothing was changed; use --yes to continue without a prompt")
            async with database.write() as connection:
                await go_on_with(connection, signing, now=_now())
            return True

    changed = asyncio.run(run())
    typer.echo(
        "The database now uses the secret of the settings."
        if changed
        else "The secret of the settings is already correct."
    )


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line that says how far it has come, for people who watch."""
    rich = import_module("rich.progress")  # a server need not wait for it
    console = rich.Console(stderr=True)
    columns = rich.SpinnerColumn(), rich.TextColumn("{task.description}")
    with rich.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("")
        yield lambda table, done: bar.update(task, description=f"{table}: {done:,} rows")


@user_commands.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="E-mail address of the user.")],
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
    """Create a user who is owner of every site."""

    hashed = asyncio.run(accounts.hash_password(password))

    async def add(connection: AsyncConnection) -> accounts.User:
        return await accounts.add_user(connection, email, hashed, now=_now())

    user = _with_store(load(), add)
    typer.echo(f"Created user {user.email}.")


@user_commands.command("reset")
def user_reset(
    email: Annotated[str, typer.Argument(help="E-mail address of the user.")],
    without_second_step: Annotated[bool, typer.Option(help="Also turn off two-factor authentication.")] = False,
) -> None:
    """Print a link to choose a new password. It works once, for 24 hours."""
    settings = load()

    async def make(connection: AsyncConnection) -> str:
        user, _ = await accounts.password_hash_of(connection, email)
        if user is None:
            raise NotFound("There is no user with this address.")
        if without_second_step and user.second_step:
            await turn_off(connection, COMMAND_LINE, user.id, now=_now())
        _, secret = await make_reset(connection, COMMAND_LINE, user.id, now=_now())
        return secret

    typer.echo(f"{settings.public_url}/admin/reset/{_with_store(settings, make)}")


@token_commands.command("add")
def token_add(name: Annotated[str, typer.Argument(help="Name, such as the program that uses it.")]) -> None:
    """Create an API token and print it; it cannot be shown again."""

    async def add(connection: AsyncConnection) -> str:
        return await add_token(connection, name, now=_now())

    typer.echo(_with_store(load(), add))


@site_commands.command("add")
def site_add(name: Annotated[str, typer.Argument(help="Name of the site.")]) -> None:
    """Add a site and print its tag."""
    settings = load()

    async def add(connection: AsyncConnection) -> str:
        site = await create_site(connection, name, by=COMMAND_LINE, now=_now())
        await record(connection, COMMAND_LINE, "site.added", site.name, now=_now(), site_id=site.id)
        return site.key

    typer.echo(tag(settings.public_url, _with_store(settings, add)))


@cli.command("check")
def run_check(
    url: Annotated[str, typer.Argument(help="A page that carries the tag.")],
    pictures: Annotated[Path, typer.Option(help="Folder for the screenshots.")] = Path("tevreden-check"),
    wait: Annotated[float, typer.Option(help="Seconds to wait for surveys that come later.", min=0)] = 10,
) -> None:
    """Open a page in a browser and report which surveys show at which window size, and why others do not."""
    found = check_page(url, pictures, wait=wait, say=lambda line: typer.echo(f"picture, {line}", err=True))
    if not found:
        typer.echo("The tag is there, but its site has no published survey.")
    for line in report(found):
        typer.echo(line)


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
        async with opened(settings) as database, database.write() as connection:
            return await work(connection)

    return asyncio.run(run())


def main() -> None:
    """Run the command; whatever is wrong is one line and exit code 1 or 2, never a traceback."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for what was asked
    try:
        cli()
    except SettingsError as error:
        sys.exit(f"tevreden: {error}")
    except Problem as error:
        places = "; ".join(f"{fault.at.lstrip('/?')}: {fault.detail}" for fault in error.faults)
        sys.exit(f"tevreden: {places or error.detail or error.title}")
    except TevredenError as error:
        sys.exit(f"tevreden: {error}")
    except BrokenPipeError:  # whoever read what was printed has had enough
        sys.exit(1)
    except OSError as error:  # a file or folder that is named nowhere else
        sys.exit(f"tevreden: cannot use {error.filename}: {error.strerror}" if error.filename else f"tevreden: {error}")
