"""The list of surveys, a new one, and what can be done to one as a whole."""

from __future__ import annotations

import re

import pytest

from collector.surveys.languages import LANGUAGES
from collector.surveys.templates import TEMPLATES, document_of
from collector.web.admin.fields import TAB_WORDS
from tests.conftest import ORIGIN, App, sign_in
from tests.editor import DRAFT, documents, write
from tests.events import response
from tests.pages import plain
from tests.signed_in import EVIL, acts, post

QUESTION = "Hoe waarschijnlijk is het dat je ons aanbeveelt aan een vriend of collega?"


@pytest.fixture
def owner(app: App) -> App:
    assert sign_in(app).status_code == 303
    return app


# ---- sites


def test_site_is_added(owner: App) -> None:
    assert post(owner, "/admin/sites/add", name=" Second shop ").status_code == 303
    text = plain(owner.client.get("/admin/sites").text)
    assert "Second shop" in text
    assert acts(owner)[0][1] == "site.added"


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("", 422, "visible text"),
        ("a\nb", 422, "one line"),
        ("x" * 201, 422, "200"),
        ("Shop", 409, "already"),
    ],
)
def test_site_that_wont_do_is_told_in_its_place(owner: App, name: str, status: int, said: str) -> None:
    post(owner, "/admin/sites/add", name="Shop")
    reply = post(owner, "/admin/sites/add", name=name)
    assert reply.status_code == status
    assert said in reply.text
    assert 'aria-describedby="name-wrong"' in reply.text


# ---- a new survey


def test_survey_is_written_published_and_answered(owner: App) -> None:
    form = owner.client.get(f"/admin/{owner.site.key}/new")
    assert form.status_code == 200
    assert "Nederlands" in form.text
    reply = post(owner, f"/admin/{owner.site.key}/new", None, **DRAFT)
    assert reply.status_code == 303
    assert QUESTION in owner.client.get(reply.headers["location"]).text, "the editor opens"
    page = reply.headers["location"].removesuffix("/edit/question")
    assert "Draft" in plain(owner.client.get(page).text)
    (survey,) = documents(owner)
    assert (survey["name"], survey["document"]["metric"], survey["document"]["language"]) == (
        "Each quarter",
        "nps",
        "nl",
    )
    script = f"/w/{owner.site.key}.js"
    assert QUESTION not in owner.client.get(script).text
    assert post(owner, f"{page}/publish").headers["location"] == f"{page}/review?published"
    said = plain(owner.client.get(f"{page}/review?published").text)
    assert "Published. No survey of this site was shown yet." in said
    assert f"/w/{owner.site.key}.js" in said, "what comes next"
    assert QUESTION in owner.client.get(script).text, "live at once"
    (survey,) = documents(owner)
    assert owner.send(response(survey, score=10)).status_code == 200
    assert "+100" in owner.client.get(page).text
    assert [act for _, act in acts(owner)[:2]] == ["survey.published", "survey.created"]


@pytest.mark.parametrize(
    ("field", "value"), [("template", ""), ("template", "nothing"), ("language", "tlh"), ("language", "")]
)
def test_survey_that_wont_do_is_told_in_its_place(owner: App, field: str, value: str) -> None:
    reply = post(owner, f"/admin/{owner.site.key}/new", None, **{**DRAFT, field: value})
    assert reply.status_code == 422
    assert f'id="{field}-wrong" role="alert"' in reply.text
    assert documents(owner) == []


def test_second_of_a_template_has_a_name_of_its_own(owner: App) -> None:
    for _ in range(3):
        write(owner)
    assert {one["name"] for one in documents(owner)} == {"Each quarter", "Each quarter (2)", "Each quarter (3)"}


@pytest.mark.parametrize("metric", ["csat", "nps", "ces"])
def test_blank_survey_asks_for_a_score_alone_and_begins_at_its_question(owner: App, metric: str) -> None:
    kind, page = f"blank_{metric}", f"/admin/{owner.site.key}/new"
    made = [post(owner, page, template=kind, language="nl", delivery="link") for _ in range(2)]
    assert [one.headers["location"].endswith("/edit/question?begin") for one in made] == [True, True]
    documents = [one["document"] for one in owner.site.call("GET", "/surveys").json()["items"]]
    assert {one["name"] for one in documents} == {"Untitled survey", "Untitled survey (2)"}
    first = documents[0]
    assert (first["metric"], first["language"], first["delivery"]) == (metric, "nl", "link")
    assert set(first["follow_up"].values()) == {""}
    assert first["email_capture"]["ask"] == "never"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
def test_template_is_there_in_every_language(template: str, language: str) -> None:
    document = document_of(template, language, "Name")
    assert (document.metric, document.language) == (TEMPLATES[template].metric, language)
    assert document.question == LANGUAGES[language].templates[template]


@pytest.mark.parametrize("evil", EVIL)
def test_what_was_typed_is_text(owner: App, evil: str) -> None:
    page = write(owner, name=evil, question=evil, where={"include": ["/" + evil.replace(" ", "")]})
    post(owner, "/admin/sites/add", name=evil)
    post(owner, f"{page}/publish")
    for path in (
        "/admin/sites",
        f"/admin/{owner.site.key}",
        f"/admin/{owner.site.key}/surveys",
        page,
        "/admin/log",
        f"{page}/review",
        *(f"{page}/edit/{tab}" for tab in TAB_WORDS),
    ):
        assert evil not in owner.client.get(path).text, path


# ---- what can be done to one


def test_survey_goes_from_draft_to_archive_and_back(owner: App) -> None:
    page = write(owner)
    kept = documents(owner)[0]["id"]

    def do(act: str) -> str:
        reply = post(owner, f"{page}/{act}")
        assert (reply.status_code, reply.headers["location"].partition("/review")[0]) == (303, page)
        status: str = owner.site.call("GET", f"/surveys/{kept}").json()["status"]
        return status

    def offered() -> set[str]:
        return set(re.findall(rf'action="{page}/([a-z-]+)"', owner.client.get(page).text))

    assert offered() == {"clone", "archive", "delete"}
    assert do("archive") == "archived"
    assert offered() == {"clone", "bring-back", "delete"}
    assert do("bring-back") == "draft", "it never was published"
    assert do("publish") == "published"
    assert offered() == {"pause", "clone", "archive"}
    assert do("pause") == "paused"
    assert offered() == {"resume", "clone", "archive", "delete"}
    assert do("resume") == "published"
    assert do("archive") == "archived"
    text = owner.client.get(f"/admin/{owner.site.key}/surveys").text
    assert "Archived 1" in plain(text)
    assert page not in text
    assert page in owner.client.get(f"/admin/{owner.site.key}/surveys?status=archived").text
    assert do("bring-back") == "paused", "nobody sees it before someone publishes it again"


def test_changes_are_published_when_there_are_some(owner: App) -> None:
    page = write(owner)
    post(owner, f"{page}/publish")
    (survey,) = documents(owner)
    changed = {**survey["document"], "name": "Another name"}
    assert owner.site.call("PUT", f"/surveys/{survey['id']}", changed).status_code == 200
    assert "Review and publish" not in owner.client.get(page).text, "visitors never see the name"
    changed["question"] = "Anders?"
    assert owner.site.call("PUT", f"/surveys/{survey['id']}", changed).status_code == 200
    assert "Review and publish" in owner.client.get(page).text
    post(owner, f"{page}/publish")
    assert "Review and publish" not in owner.client.get(page).text
    assert "Anders?" in owner.client.get(f"/w/{owner.site.key}.js").text


def test_copy_is_a_draft_of_its_own(owner: App) -> None:
    page = write(owner)
    editor = post(owner, f"{page}/clone").headers["location"]
    assert editor.endswith("/edit/question")
    copy = editor.removesuffix("/edit/question")
    assert copy != page
    text = plain(owner.client.get(copy).text)
    assert "Each quarter (2)" in text
    assert "Draft" in text


def test_what_cannot_be_done_now_is_told(owner: App) -> None:
    page = write(owner)
    assert "Only a published survey can be paused" in post(owner, f"{page}/pause").text
    assert "Only an archived or deleted survey can be restored" in post(owner, f"{page}/bring-back").text
    post(owner, f"{page}/archive")
    assert "cannot be published" in post(owner, f"{page}/publish").text
    assert post(owner, f"{page}/explode").status_code == 404


def test_survey_of_another_site_is_out_of_reach(owner: App) -> None:
    page = write(owner)
    post(owner, "/admin/sites/add", name="Other")
    keys = set(re.findall(r'class="name" href="/admin/([a-z0-9]{12})"', owner.client.get("/admin/sites").text))
    (other,) = keys - {owner.site.key}
    foreign = page.replace(owner.site.key, other)
    assert owner.client.get(foreign).status_code == 404
    for act in ("publish", "pause", "archive", "bring-back", "clone"):
        assert post(owner, f"{foreign}/{act}").status_code == 404, act
    assert owner.client.get("/admin/nosuchsite12/new", headers=ORIGIN).status_code == 404
    assert documents(owner)[0]["status"] == "draft"


def test_list_says_how_many_of_those_who_saw_it_answered(owner: App) -> None:
    survey = owner.site.publish(name="Seen")
    listed = f"/admin/{owner.site.key}/surveys"
    assert " of " not in plain(owner.client.get(listed).text.partition("<tbody>")[2])
    seen = [f"0199f3c2-0000-7000-8000-00000000000{number}" for number in range(4)]
    for one in seen:
        event = {"type": "impression", "id": one, "survey": survey["key"], "revision": 1}
        assert owner.send(event).status_code == 200
    owner.send(response(survey, score=5, impression=seen[0]))
    assert "1 25 % of 4" in plain(owner.client.get(listed).text)
