"""Addresses and tags that people paste."""

from __future__ import annotations

from collector.access.sites import Site
from collector.surveys.lifecycle import Survey
from collector.web.visitors.script import FROZEN_HASH, INTEGRITY


def own_page(public_url: str, site: Site, survey: Survey) -> str:
    """The address of a survey's own page."""
    return f"{public_url}/s/{site.key}-{survey.key}"


def tag(public_url: str, site_key: str) -> str:
    """The script tag of a site."""
    return f'<script async src="{public_url}/w/{site_key}.js"></script>'


def frozen_tag(public_url: str, site_key: str) -> str:
    """The script tag for pages that pin their scripts."""
    return (
        f'<script async src="{public_url}/w/loader-{FROZEN_HASH}.js" data-site="{site_key}"\n'
        f'        integrity="{INTEGRITY}" crossorigin="anonymous"></script>'
    )
