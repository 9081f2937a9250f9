"""Windows that Playwright drives: Chromium, Firefox, and WebKit where Playwright has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Error, Frame, Page

from tests.behaviour.windows import AS_A_PERSON, CALL, FOCUSED, HEIGHT, PATIENCE, WIDTH, Window

NAME = """(one) => one.getAttribute("aria-label")
  || one.getRootNode().getElementById(one.getAttribute("aria-labelledby"))?.textContent
  || one.labels?.[0]?.textContent || one.textContent"""
ROLE = """(one) => one.getAttribute("role")
  || {button: "button", a: "link", textarea: "textbox", h1: "heading", h2: "heading", body: "body",
      input: one.type == "radio" ? "radio" : "textbox"}[one.localName] || one.localName"""

OWN = ("", "Content-Security-Policy")
"""Names of what Firefox itself has to say, among the errors of a page: of refused cookies, of policies."""


class PlaywrightWindow(Window):
    """A page in a browser context, or a frame of it."""

    failures = (Error,)

    def __init__(self, kind: str, page: Page, errors: list[str], frame: Frame | None = None) -> None:
        """``errors`` are those of the whole profile."""
        self.kind = kind
        self.page = page
        self._errors = errors
        self._place = frame or page.main_frame
        self._travelled = False
        """Whether Playwright may still wait for a page of Firefox that came back whole, and won't be loaded."""
        if not frame:
            page.on("pageerror", self._note_error)
            page.on("console", self._note)

    @classmethod
    def in_new_profile(cls, kind: str, browser: Browser, **options: Any) -> PlaywrightWindow:
        usual = {"viewport": {"width": WIDTH, "height": HEIGHT}, "reduced_motion": "reduce"}
        context = browser.new_context(**{**usual, **options})
        context.set_default_timeout(PATIENCE * 1000)
        context.add_init_script(AS_A_PERSON)
        return cls(kind, context.new_page(), [])

    def _note_error(self, error: Error) -> None:
        if self.kind != "firefox" or error.name not in OWN:
            self._errors.append(error.message)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and message.args:  # the browser's own have none
            self._errors.append(message.text)

    def run(self, script: str, *arguments: Any) -> Any:
        return self._place.evaluate(CALL % script, list(arguments))

    def start(self, url: str) -> None:
        self._place.evaluate("(url) => void setTimeout(() => { location.href = url })", url)

    def open(self, url: str) -> None:
        self._place.goto(url)
        self._travelled = False

    def back(self) -> None:
        super().back()
        self._travelled = self.kind == "firefox"

    def forward(self) -> None:
        super().forward()
        self._travelled = self.kind == "firefox"

    def has(self, role: str, name: str | None = None) -> bool:
        found = self._place.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
        return any(one.is_visible() for one in found.all())

    def click(self, role: str, name: str | None = None) -> None:
        found = self._place.get_by_role(role, name=name, exact=True).first  # type: ignore[arg-type]
        found.click(force=self._travelled)

    def focused(self) -> tuple[str, str]:
        role, name = self.run(f"() => {{ const one = ({FOCUSED})(); return [({ROLE})(one), ({NAME})(one)] }}")
        return role, name.strip()

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def point(self, x: int, y: int) -> None:
        self.page.mouse.move(x, y)

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})
        self.until("(width) => innerWidth == width", width)

    def tab(self) -> PlaywrightWindow:
        return PlaywrightWindow(self.kind, self.page.context.new_page(), self._errors)

    def to_front(self) -> None:
        self.page.bring_to_front()

    def frame(self, selector: str) -> PlaywrightWindow:
        inside = self._place.wait_for_selector(selector, state="attached").content_frame()  # type: ignore[union-attr]
        assert inside, f"{selector} is no frame"
        return PlaywrightWindow(self.kind, self.page, self._errors, inside)

    def close(self) -> None:
        self.page.close()

    def end(self) -> None:
        self.page.context.close()

    def set_offline(self, offline: bool) -> None:
        self.page.context.set_offline(offline)

    def cookies(self) -> list[dict[str, Any]]:
        return [dict(one) for one in self.page.context.cookies(self.url)]

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)

    @property
    def errors(self) -> list[str]:
        self.run("0")  # what was said before this has arrived with its answer
        return list(self._errors)
