"""The list of surveys, a new one, and what can be done to one as a whole."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import House
from tests.test_access import acts, post
from tests.test_admin import EVIL, ORIGIN, sign_in
from tests.test_intake import response

DRAFT = {"name": "After checkout", "metric": "nps", "language": "nl", "question": "Zou je ons aanbevelen?", "where": ""}


@pytest.fixture
def owner(house: House) -> House:
    assert sign_in(house).status_code == 303
    return house


def plain(text: str) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def write(owner: House, **form: str) -> Any:
    return post(owner, f"/admin/{owner.site.key}/new", None, **{**DRAFT, **form})


def documents(owner: House) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = owner.site.call("GET", "/surveys").json()["items"]
    return items


# ---- sites


def test_site_is_added(owner: House) -> None:
    assert post(owner, "/admin/sites", name=" Second shop ").status_code == 303
    text = owner.client.get("/admin").text
    assert "<h2>Second shop</h2>" in text
    assert text.count("/new") == 2
    assert acts(owner)[0][1] == "site.added"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("", 422, "one line of 1 to 200"), ("a\nb", 422, "one line"), ("x" * 201, 422, "200"), ("Shop", 409, "already")],
)
def test_site_that_wont_do_is_told_in_its_place(owner: House, name: str, status: int, said: str) -> None:
    post(owner, "/admin/sites", name="Shop")
    reply = post(owner, "/admin/sites", name=name)
    assert reply.status_code == status
    assert said in reply.text
    assert 'aria-describedby="name-wrong"' in reply.text
    assert re.search(r"<details[^>]* open>\s*<summary>Add another", reply.text), "where it can be put right"


# ---- a new survey


def test_survey_is_written_published_and_answered(owner: House) -> None:
    form = owner.client.get(f"/admin/{owner.site.key}/new")
    assert form.status_code == 200
    assert "Nederlands" in form.text
    reply = write(owner, where="shop.example/order/*\r\n\r\n /thanks ")
    assert reply.status_code == 303
    page = reply.headers["location"]
    assert "draft" in plain(owner.client.get(page).text)
    (survey,) = documents(owner)
    assert survey["document"]["where"]["include"] == ["shop.example/order/*", "/thanks"]
    assert (survey["document"]["metric"], survey["document"]["language"]) == ("nps", "nl")
    script = f"/w/{owner.site.key}.js"
    assert "Zou je ons" not in owner.client.get(script).text
    assert post(owner, f"{page}/publish").headers["location"] == page
    assert "Zou je ons" in owner.client.get(script).text, "live at once"
    (survey,) = documents(owner)
    assert owner.send(response(survey, score=10)).status_code == 200
    assert "+100" in owner.client.get(page).text
    assert [act for _, act in acts(owner)[:2]] == ["survey.published", "survey.created"]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("name", " ", "name"),
        ("question", "", "question"),
        ("question", "x" * 5000, "question"),
        ("metric", "", "metric"),
        ("metric", "custom", "metric"),
        ("language", "tlh", "language"),
        ("where", "ok.example\nhttp://", "where"),
    ],
)
def test_survey_that_wont_do_is_told_in_its_place_and_nothing_is_lost(
    owner: House, field: str, value: str, place: str
) -> None:
    reply = write(owner, **{field: value})
    assert reply.status_code == 422
    assert f'id="{place}-wrong" role="alert"' in reply.text
    for name, kept in {**DRAFT, field: value}.items():
        if name in ("name", "question", "where"):
            assert kept in reply.text, name
    assert documents(owner) == []


def test_name_that_is_taken_is_told(owner: House) -> None:
    assert write(owner).status_code == 303
    reply = write(owner)
    assert reply.status_code == 409
    assert "another survey of this site has this name already" in reply.text
    assert len(documents(owner)) == 1


@pytest.mark.parametrize("evil", EVIL)
def test_what_was_typed_is_text(owner: House, evil: str) -> None:
    texts = [write(owner, metric="none", name=evil, question=evil, where=evil).text]
    page = write(owner, name=evil, question=evil).headers["location"]
    post(owner, "/admin/sites", name=evil)
    texts += [owner.client.get(path).text for path in ("/admin", page, "/admin/log")]
    texts.append(post(owner, f"{page}/rename", name=evil * 20).text)
    for text in texts:
        assert evil not in text


# ---- what can be done to one


def test_survey_goes_from_draft_to_archive_and_back(owner: House) -> None:
    page = write(owner).headers["location"]
    kept = documents(owner)[0]["id"]

    def do(act: str) -> str:
        reply = post(owner, f"{page}/{act}")
        assert (reply.status_code, reply.headers["location"]) == (303, page)
        status: str = owner.site.call("GET", f"/surveys/{kept}").json()["status"]
        return status

    def offered() -> set[str]:
        return set(re.findall(rf'action="{page}/([a-z-]+)"', owner.client.get(page).text))

    assert offered() == {"publish", "clone", "archive", "rename"}
    assert do("archive") == "archived"
    assert offered() == {"clone", "bring-back"}
    assert do("bring-back") == "draft", "it never was published"
    assert do("publish") == "published"
    assert offered() == {"pause", "clone", "archive", "rename"}, "there is nothing to publish"
    assert do("pause") == "paused"
    assert offered() == {"publish", "clone", "archive", "rename"}
    assert do("publish") == "published"
    assert do("archive") == "archived"
    assert "In the archive: 1" in plain(owner.client.get("/admin").text)
    assert do("bring-back") == "paused", "nobody sees it before someone publishes it again"


def test_changes_are_published_when_there_are_some(owner: House) -> None:
    page = write(owner).headers["location"]
    post(owner, f"{page}/publish")
    (survey,) = documents(owner)
    assert post(owner, f"{page}/rename", name="Another name").status_code == 303
    assert "Publish the changes" not in owner.client.get(page).text, "visitors never see the name"
    changed = {**survey["document"], "name": "Another name", "question": "Anders?"}
    assert owner.site.call("PUT", f"/surveys/{survey['id']}", changed).status_code == 200
    assert "Publish the changes" in owner.client.get(page).text
    post(owner, f"{page}/publish")
    assert "Publish the changes" not in owner.client.get(page).text
    assert "Anders?" in owner.client.get(f"/w/{owner.site.key}.js").text


def test_copy_is_a_draft_of_its_own(owner: House) -> None:
    page = write(owner).headers["location"]
    copy = post(owner, f"{page}/clone").headers["location"]
    assert copy != page
    text = plain(owner.client.get(copy).text)
    assert "After checkout (2)" in text
    assert "draft" in text


@pytest.mark.parametrize(
    ("name", "status", "said"), [("", 422, "Name:"), ("After checkout (2)", 409, "this name already")]
)
def test_name_that_wont_do_is_told(owner: House, name: str, status: int, said: str) -> None:
    page = write(owner).headers["location"]
    post(owner, f"{page}/clone")
    reply = post(owner, f"{page}/rename", name=name)
    assert reply.status_code == status
    assert said in plain(reply.text)
    assert "After checkout" in owner.client.get(page).text


def test_what_cannot_be_done_now_is_told(owner: House) -> None:
    page = write(owner).headers["location"]
    assert "Only a published survey can be paused" in post(owner, f"{page}/pause").text
    assert "Only an archived survey can be brought back" in post(owner, f"{page}/bring-back").text
    post(owner, f"{page}/archive")
    assert "cannot be published" in post(owner, f"{page}/publish").text
    assert post(owner, f"{page}/rename", name="x").status_code == 409
    assert post(owner, f"{page}/explode").status_code == 404


def test_survey_of_another_site_is_out_of_reach(owner: House) -> None:
    page = write(owner).headers["location"]
    post(owner, "/admin/sites", name="Other")
    keys = set(re.findall(r'href="/admin/([a-z0-9]{12})/new"', owner.client.get("/admin").text))
    (other,) = keys - {owner.site.key}
    foreign = page.replace(owner.site.key, other)
    assert owner.client.get(foreign).status_code == 404
    for act in ("publish", "pause", "archive", "bring-back", "clone", "rename"):
        assert post(owner, f"{foreign}/{act}", name="x").status_code == 404, act
    assert owner.client.get("/admin/nosuchsite12/new", headers=ORIGIN).status_code == 404
    assert documents(owner)[0]["status"] == "draft"


def test_list_says_how_many_of_those_who_saw_it_answered(owner: House) -> None:
    survey = owner.site.publish(name="Seen")
    assert "shown" not in plain(owner.client.get("/admin").text)
    seen = [f"0199f3c2-0000-7000-8000-00000000000{number}" for number in range(4)]
    for one in seen:
        event = {"type": "impression", "id": one, "survey": survey["key"], "revision": 1}
        assert owner.send(event).status_code == 200
    owner.send(response(survey, score=5, impression=seen[0]))
    assert "1 25 % of 4 shown" in plain(owner.client.get("/admin").text)
