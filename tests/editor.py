"""Someone at the editor, as their browser has it."""

from __future__ import annotations

import html
import re
from typing import Any

from collector.web.admin.fields import PLACES
from tests.conftest import ORIGIN, App
from tests.signed_in import post

SCRIPT = {**ORIGIN, "HX-Request": "true"}
"""What the page's own script sends."""
DRAFT = {"template": "nps_quarter", "language": "nl"}


def write(owner: App, **changes: Any) -> str:
    """Begin with a template, and change places of the document; returns the page of the survey."""
    reply = post(owner, f"/admin/{owner.site.key}/new", None, **DRAFT)
    assert reply.status_code == 303
    page = str(reply.headers["location"]).removesuffix("/edit/question")
    survey = documents(owner)[0]
    document = {**survey["document"], **changes}
    assert owner.site.call("PUT", f"/surveys/{survey['id']}", document).status_code == 200
    return page


def documents(owner: App) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = owner.site.call("GET", "/surveys").json()["items"]
    return items


def values_in(text: str) -> dict[str, str]:
    """What a browser would send of the fields of a page."""
    (form,) = re.findall(r'<form id="fields".*?</form>', text, re.DOTALL)
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([\w:-]+)="([^"]*)"', tag))
        is_box = attributes.get("type") in ("checkbox", "radio")
        if "name" in attributes and " disabled" not in tag and (not is_box or " checked" in tag):
            found[attributes["name"]] = html.unescape(attributes.get("value", "on"))
    for name, disabled, inner in re.findall(r'<textarea[^>]*? name="([^"]*)"([^>]*)>(.*?)</textarea>', form, re.DOTALL):
        assert "disabled" not in disabled
        found[name] = html.unescape(inner)
    for name, rest, inner in re.findall(r'<select[^>]*? name="([^"]*)"([^>]*)>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', inner) or re.findall(r'value="([^"]*)"', inner)
        if "disabled" not in rest:
            found[name] = chosen[0]
    return found


class Editor:
    """Someone at one tab, as their browser has it."""

    def __init__(self, owner: App, page: str, tab: str) -> None:
        self.owner, self.address = owner, f"{page}/edit/{tab}"
        reply = owner.client.get(self.address)
        assert reply.status_code == 200
        self.form = values_in(reply.text)

    def change(self, **places: str) -> None:
        """``a__b`` stands for the place ``a/b``; a box is unchecked by ``""``."""
        for name, value in places.items():
            place = name.replace("__", "/")
            if value:
                self.form[place] = value
            elif place not in PLACES or PLACES[place][2].kind == "flag":
                self.form.pop(place, None)
            else:
                self.form[place] = ""

    def submit(self) -> Any:
        return post(self.owner, self.address, None, **self.form)

    def autosave(self) -> str:
        """As the page's script does; returns what is said."""
        reply = self.owner.client.post(self.address, data=self.form, headers=SCRIPT)
        assert reply.status_code == 200, reply.text
        self.form["base"] = html.unescape(re.findall(r'id="base"[^>]*? value="([^"]*)"', reply.text)[0])
        return str(reply.text)
