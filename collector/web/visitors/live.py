"""What is published, kept at hand: each site's script, and what the intake knows of the site.

Another process may publish as well. Where the store tells of changes, only the sites that changed are read anew, at
once; where it cannot, what is kept is a few seconds old at most. While the store cannot be reached, what was kept is
still served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from collector.access.sites import Site, site_by_key
from collector.db.store import Database
from collector.errors import NotFound
from collector.responses.open_sites import OpenSite, OpenSurvey, load_open_site, load_revision
from collector.surveys.lifecycle import Revision, get_revision, live_revisions
from collector.web.visitors.cache import Cache
from collector.web.visitors.script import Script, config_of


class Live:
    """The scripts and sites of one process."""

    def __init__(self, database: Database, clock: Callable[[], datetime], base_url: str) -> None:
        self._database, self._clock, self._base_url = database, clock, base_url

        def hears() -> bool:
            return database.hears

        self.scripts = Cache(self._load_script, hears, lambda script: script.packed.size + len(script.config))
        self.configs = Cache(self._load_config, hears, len)
        self.sites = Cache(self._load_site, hears)

    def forget(self, site_key: str | None = None) -> None:
        """What visitors see of a site has changed; of any site, perhaps, without one."""
        for cache in (self.scripts, self.configs, self.sites):
            cache.forget(site_key)

    async def find(self, site: OpenSite, survey_key: str, revision: int) -> OpenSurvey | None:
        """A survey with the document of a revision at hand; None when there is no such thing."""
        if not site.has(survey_key, revision):
            return None
        survey = site.surveys[survey_key]
        if revision not in survey.revisions:
            async with self._database.read() as connection:
                await load_revision(connection, site, survey, revision)
        return survey if revision in survey.revisions else None

    async def _load_site(self, key: str, earlier: OpenSite | None) -> OpenSite:
        async with self._database.read() as connection:
            return await load_open_site(connection, key, earlier, now=self._clock())

    async def _load_script(self, name: str, earlier: Script | None) -> Script:
        site, published = await self._published(name)
        return await asyncio.to_thread(_script_of, site, published, self._base_url, "-" in name, earlier)

    async def _load_config(self, name: str, _: str | None) -> str:
        """Of a site, or of one of its surveys, in a numbered format: ``KEY?NUMBER``, ``KEY-SURVEY?NUMBER``."""
        name, _, number = name.partition("?")
        site, published = await self._published(name)
        return await asyncio.to_thread(config_of, site, published, own_page="-" in name, number=int(number))

    async def _published(self, name: str) -> tuple[Site, Sequence[Revision]]:
        """The surveys that show on a site's pages by themselves, or the one that is named after a hyphen."""
        key, _, survey = name.partition("-")
        async with self._database.read() as connection:
            site = await site_by_key(connection, key)
            if not survey:
                every = await live_revisions(connection, site.id)
                return site, [one for one in every if one.document.delivery == "web"]
            revision = await get_revision(connection, site.id, survey, None)
        if revision.status != "published":
            raise NotFound("This survey is not published.")
        return site, [revision]


def _script_of(
    site: Site, published: Sequence[Revision], base_url: str, own_page: bool, earlier: Script | None
) -> Script:
    """Made on a thread, so that a large site keeps no other waiting."""
    config = config_of(site, published, base_url=base_url, own_page=own_page)
    return earlier if earlier and earlier.config == config else Script.of(config)
