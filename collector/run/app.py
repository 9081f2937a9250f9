"""The one place where it is put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from collector.access.accounts import has_users, make_owner_link
from collector.access.installation import with_right_secret
from collector.access.oidc import SignOn
from collector.access.signing import Signing
from collector.access.sites import note_tag
from collector.channels.outbound import EVERYWHERE, Outbound
from collector.db.group import GroupCommit
from collector.db.opening import opened
from collector.db.store import Contended, Database, Unstorable, unavailable
from collector.errors import Problem
from collector.responses.intake import Arrival, Receipt, take_in
from collector.responses.one_by_one import Take, cannot_be_kept, take_one_by_one
from collector.run.worker import Worker
from collector.settings import Settings
from collector.web.admin import account as admin_account
from collector.web.admin import editor as admin_editor
from collector.web.admin import frequency as admin_frequency
from collector.web.admin import home as admin_home
from collector.web.admin import identify as admin_identify
from collector.web.admin import images as admin_images
from collector.web.admin import oidc as admin_sign_on
from collector.web.admin import responses as admin_responses
from collector.web.admin import results as admin_results
from collector.web.admin import review as admin_review
from collector.web.admin import search as admin_search
from collector.web.admin import signing_in as admin_access
from collector.web.admin import sites as admin_sites
from collector.web.admin import surveys as admin_surveys
from collector.web.admin import teams as admin_teams
from collector.web.admin import users as admin_people
from collector.web.admin import webhooks as admin_webhooks
from collector.web.admin.throttle import Throttle
from collector.web.api import routes as api
from collector.web.http.limits import Limits
from collector.web.http.measures import Measures
from collector.web.http.problems import render_problem
from collector.web.http.readiness import Readiness
from collector.web.http.rendering import templates
from collector.web.visitors import pages
from collector.web.visitors import routes as public
from collector.web.visitors.live import Live
from collector.web.visitors.script import FROZEN_FILES
from collector.web.visitors.services import VisitorServices
from collector.web.visitors.sightings import Sightings

LARGEST_BATCH = 500
"""Requests in one transaction."""
WARM_UP_AFTER_SECONDS = 0.5
MOST_WAITING = 10_000
"""Requests that may wait for one; more are asked to come again."""


def clock() -> datetime:
    """The time, for every edge of this process."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_services(settings: Settings, *, examples: Path | None = None) -> AsyncIterator[VisitorServices]:
    """Open the store for one collector with a worker in it, and close both in the end.

    Raises `SettingsError` when the store cannot be used, was made with another secret, or another collector is using
    it.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(settings, serving=True))
        settings = await with_right_secret(database, settings)
        live, measures, signing = Live(database, clock, settings.public_url), Measures(), Signing(settings.secret)
        worker = await stack.enter_async_context(_working(settings, database, signing))
        intake = _intake(database, measures)
        stack.push_async_callback(intake.drain)
        database.listen(live.forget)
        warming = asyncio.create_task(_warm_up(settings.public_url))
        stack.push_async_callback(asyncio.wait, [warming])
        stack.callback(warming.cancel)
        limits = Limits(per_address=settings.rate_per_address, per_site=settings.rate_per_site)
        sign_on = await stack.enter_async_context(_sign_on(settings))
        readiness = Readiness(database.probe)
        stack.push_async_callback(readiness.close)
        sightings = Sightings(partial(_write_tag, database))
        stack.push_async_callback(sightings.close)
        yield VisitorServices(
            settings=settings,
            database=database,
            signing=signing,
            clock=clock,
            limits=limits,
            measures=measures,
            readiness=readiness,
            wake_worker=worker.wake,
            sign_on=sign_on,
            examples=examples,
            intake=intake,
            live=live,
            sightings=sightings,
        )


async def _write_tag(database: Database, key: str, host: str) -> None:
    async with database.write() as connection:
        await note_tag(connection, key, host, now=clock())


@asynccontextmanager
async def _sign_on(settings: Settings) -> AsyncIterator[SignOn | None]:
    if not settings.oidc_issuer:
        yield None
        return
    client = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    async with Outbound(EVERYWHERE) as outbound:
        yield SignOn(*client, f"{settings.public_url}/admin/sign-on/back", outbound, clock)


async def _warm_up(public_url: str) -> None:
    """What the first requests need and a start does not, once the start is over."""
    await asyncio.sleep(WARM_UP_AFTER_SECONDS)
    packing = [packed.pack for packed in (*FROZEN_FILES.values(), *pages.STATIC.values())]
    steps: list[Callable[[], object]] = [templates, partial(api.described, public_url), *packing]
    for step in steps:
        await asyncio.to_thread(step)


async def work(settings: Settings) -> None:
    """Only the worker, until it is cancelled; for PostgreSQL, where any number may run."""
    async with opened(settings) as database:
        settings = await with_right_secret(database, settings)
        async with _working(settings, database, Signing(settings.secret)):
            structlog.get_logger().info("working")
            await asyncio.get_running_loop().create_future()


@asynccontextmanager
async def _working(settings: Settings, database: Database, signing: Signing) -> AsyncIterator[Worker]:
    async with Outbound(settings.networks) as outbound:
        worker = Worker(database, signing, outbound, clock)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            running.cancel()
            await asyncio.wait([running])


def _intake(database: Database, measures: Measures) -> GroupCommit[Arrival, Receipt]:
    async def take(arrivals: list[Arrival]) -> Sequence[Receipt | Problem]:
        began = time.perf_counter()
        try:
            taken = await database.batch(lambda: take_in(arrivals, now=clock(), lane=database.lane))
        except BaseException as error:
            measures.batch_failed()
            if len(arrivals) == 1 and isinstance(error, Exception) and not isinstance(error, Problem):
                return [await _alone(arrivals[0], take, error)]
            raise  # they are tried apart, unless it is a problem of them all
        taken.remember()
        measures.batch(taken.receipts, time.perf_counter() - began)
        return taken.receipts

    return GroupCommit(take, largest=LARGEST_BATCH, most_waiting=MOST_WAITING, lanes=database.batches_at_once)


async def _alone(arrival: Arrival, take: Take, error: Exception) -> Receipt | Problem:
    """What becomes of a request that nobody else's can be blamed for."""
    if isinstance(error, Contended):
        raise unavailable() from error
    if len(arrival.events) > 1:
        return await take_one_by_one(arrival, take)
    if isinstance(error, Unstorable):
        return cannot_be_kept(arrival)
    raise error


async def first_account_address(services: VisitorServices) -> str | None:
    """Where the first account is made, while there is none: an address that works once."""
    async with services.database.read() as connection:
        if await has_users(connection):
            return None
    async with services.database.write() as connection:
        secret = await make_owner_link(connection, now=services.clock())
    return secret and f"{services.settings.public_url}/admin/welcome/{secret}"


def create_app(services: VisitorServices) -> Starlette:
    """The application over an open services."""
    people = admin_access, admin_sign_on, admin_account, admin_search, admin_people, admin_teams
    sites = admin_sites, admin_frequency, admin_identify, admin_images, admin_webhooks
    surveys = admin_review, admin_editor, admin_surveys, admin_responses, admin_results, admin_home
    routes = [route for door in (public, api, *people, *sites, *surveys, pages) for route in door.routes]
    if services.examples:
        routes += pages.example_routes
    handlers = {Problem: render_problem, HTTPException: render_problem, Exception: render_problem}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would lead to wherever the request's Host says
    app.state.services = services
    app.state.throttle = Throttle(services)
    return app
