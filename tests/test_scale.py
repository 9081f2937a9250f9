"""What must not grow with the number of sites and surveys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from collector.responses.open_sites import OpenSite, load_open_site
from collector.responses.pages import MOST_NAMES
from tests.conftest import App, add_site, sign_in
from tests.events import impression, response
from tests.services import in_app, services_of
from tests.statements import statements

NOW = datetime.now(UTC)


def number_of_statements(act: Callable[[], object]) -> int:
    with statements() as said:
        act()
    assert said, "nothing was heard"
    return len(said)


def test_list_of_sites_asks_as_often_for_many_as_for_one(app: App) -> None:
    assert sign_in(app).status_code == 303
    survey = app.site.publish(name="Of the first")
    assert app.send(*(response(survey) for _ in range(3))).status_code == 200

    def look() -> str:
        page = app.client.get("/admin/sites")
        assert page.status_code == 200
        return str(page.text)

    look()
    once = number_of_statements(look)
    for number in range(5):
        site = add_site(app.client, "", app.site.token)
        for part in range(3):
            made = site.publish(name=f"Survey {number}.{part}")
        site.call("POST", f"/surveys/{made['id']}/archive")
        gone = site.publish(name=f"Gone {number}")
        site.call("DELETE", f"/surveys/{gone['id']}")
    assert number_of_statements(look) == once
    text = look()
    assert text.count('<td class="n">2</td>') == 2 * 5, "surveys and published ones, without the archived and deleted"
    first = text[text.index(f'class="name" href="/admin/{app.site.key}"') :].split("</tr>")[0]
    assert 'aria-label="3 responses in 30 days"' in first


def test_list_of_surveys_asks_as_often_for_many_surveys_as_for_one(app: App) -> None:
    assert sign_in(app).status_code == 303
    app.site.publish()

    def look() -> str:
        page = app.client.get(f"/admin/{app.site.key}/surveys")
        assert page.status_code == 200
        return str(page.text)

    look()
    once = number_of_statements(look)
    for _ in range(5):
        app.site.publish()
    assert number_of_statements(look) == once
    assert look().count(">Published<") == 6


def test_site_is_loaded_by_as_many_statements_however_many_surveys_it_has(app: App) -> None:
    def load() -> OpenSite:
        async def run() -> OpenSite:
            async with services_of(app).database.read() as connection:
                return await load_open_site(connection, app.site.key, None, now=NOW)

        found: OpenSite = in_app(app, run)
        return found

    named = app.site.publish()
    once = number_of_statements(load)
    others = [app.site.publish() for _ in range(9)]
    pages = [impression(named, page=f"https://shop.example/page-{number}x") for number in range(3)]
    assert app.send(*pages, impression(others[0], page="https://shop.example/cart")).status_code == 200
    assert number_of_statements(load) == once
    site = load()
    assert site.surveys[named["key"]].labels == {f"shop.example/page-{number}x" for number in range(3)}
    assert site.surveys[others[0]["key"]].labels == {"shop.example/cart"}
    assert site.surveys[others[1]["key"]].labels == set()
    assert site.surveys[others[1]["key"]].room_for_names == MOST_NAMES
    assert {UUID(one["id"]).hex for one in (named, *others)} == {one.id for one in site.surveys.values()}
