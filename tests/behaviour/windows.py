"""What a test does in a browser, whichever browser it is: navigate, look, point, type, run a script.

A ``Window`` is one tab (or one frame in it) of a profile of its own, which nothing was kept in before.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 1280, 800
PATIENCE = 40.0
"""Seconds that something may take to become true."""
PAUSE = 0.01
"""Seconds between two looks at a condition."""

CALL = """async (given) => {
  const value = (%s);
  return typeof value == "function" ? await value(...given) : await value;
}"""
"""A script is an expression; where it gives a function, that is called with the arguments. Promises are awaited."""

DOCUMENT = "[location.href, performance.timeOrigin, Reflect.get(Document.prototype, 'readyState', document)]"
"""Whatever the page's markup is called."""
FOCUSED = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  return one;
}"""
"""The element that has the focus, through open shadow roots."""

AS_A_PERSON = "Object.defineProperty(Navigator.prototype, 'webdriver', {get: () => false, configurable: true})"
"""Runs first on every page, else all that happens there counts as a robot's."""

Failures = tuple[type[Exception], ...]


def wait(condition: Callable[[], Any], what: str, timeout: float = PATIENCE, failures: Failures = ()) -> Any:
    """Look until a condition gives something; what fails (on a page that goes away) is looked at again."""
    deadline = time.monotonic() + timeout
    seen: Any = None
    while True:
        try:
            seen = condition()
            if seen:
                return seen
        except failures as failure:
            seen = failure
        assert time.monotonic() < deadline, f"after {timeout:g} seconds not yet: {what} (but {seen})"
        time.sleep(PAUSE)


class Window(ABC):
    """One tab, or one frame in it."""

    kind: str
    """``chromium``, ``firefox`` or ``webkit``."""
    failures: Failures
    """What the driver raises when a page goes away under it."""
    first = ""
    """A script that the stage has to put first on every page, for a driver that can't."""

    # What each driver does in its own way

    @abstractmethod
    def run(self, script: str, *arguments: Any) -> Any:
        """What a JavaScript expression gives; a function is called with the arguments, a promise awaited."""

    @abstractmethod
    def start(self, url: str) -> None:
        """Begin to open a page, and wait for nothing."""

    @abstractmethod
    def has(self, role: str, name: str | None = None) -> bool:
        """Whether an element with this role and exact accessible name is to be seen, in shadow roots too."""

    @abstractmethod
    def click(self, role: str, name: str | None = None) -> None:
        """Press the mouse on the first such element, once it is there."""

    @abstractmethod
    def focused(self) -> tuple[str, str]:
        """Role and accessible name of the element that has the focus."""

    @abstractmethod
    def press(self, keys: str) -> None:
        """Press a key, or keys together: ``Tab``, ``Shift+Tab``, ``Escape``, ``Space``, ``ArrowUp``, ``a``."""

    @abstractmethod
    def type(self, text: str) -> None:
        """Type into what has the focus."""

    @abstractmethod
    def point(self, x: int, y: int) -> None:
        """Move the mouse to a place in the window."""

    @abstractmethod
    def resize(self, width: int, height: int) -> None:
        """Give the page so much room, in CSS pixels."""

    @abstractmethod
    def tab(self) -> Window:
        """A new tab of the same profile, in front of this one."""

    @abstractmethod
    def to_front(self) -> None:
        """Bring this tab before the others."""

    @abstractmethod
    def frame(self, selector: str) -> Window:
        """What is inside a frame of this page."""

    @abstractmethod
    def close(self) -> None:
        """Close this tab."""

    @abstractmethod
    def end(self) -> None:
        """Close the profile with all of its tabs; nothing of it stays."""

    @abstractmethod
    def set_offline(self, offline: bool) -> None:
        """What ``navigator.onLine`` says, and the events to it."""

    @abstractmethod
    def cookies(self) -> list[dict[str, Any]]:
        """The cookies of the page's site: ``name``, ``value``, ``domain``, ``path`` and what else the driver knows."""

    @abstractmethod
    def screenshot(self, path: Path) -> None:
        """A picture of what is in view."""

    @property
    @abstractmethod
    def errors(self) -> list[str]:
        """Errors that nobody caught, and what scripts wrote by ``console.error``, since the profile began."""

    # What follows from that

    @property
    def url(self) -> str:
        found: str = self.run("location.href")
        return found

    def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self._navigate(lambda: self.start(url), url)

    def reload(self) -> None:
        self._navigate(lambda: self.run("void setTimeout(() => location.reload())"), "the page again")

    def back(self) -> None:
        """Go back in the history, and wait until another page or another address is there."""
        self._navigate(lambda: self.run("void setTimeout(() => history.back())"), "the page before")

    def forward(self) -> None:
        self._navigate(lambda: self.run("void setTimeout(() => history.forward())"), "the page after")

    def _navigate(self, leave: Callable[[], Any], where: str) -> None:
        *before, _ = self.run(DOCUMENT)
        leave()

        def arrived() -> bool:
            *now, state = self.look(DOCUMENT)
            return bool(now != before and state == "complete")

        wait(arrived, f"opening {where}", PATIENCE, self.failures)

    def until(self, script: str, *arguments: Any, timeout: float = PATIENCE) -> Any:
        """Wait until a script gives something true, and return it; pages may come and go meanwhile."""
        return wait(lambda: self.look(script, *arguments), script, timeout, self.failures)

    def look(self, script: str, *arguments: Any) -> Any:
        """One look at what will be looked at again: like ``run``, where a driver can tell of a page that goes away."""
        return self.run(script, *arguments)

    def wait_for(self, role: str, name: str | None = None) -> None:
        """Wait until such an element is to be seen."""
        wait(lambda: self.has(role, name), f"{role} {name or ''}", PATIENCE, self.failures)

    def leave_upwards(self) -> None:
        """The pointer leaves the page by its upper edge; no driver can do so, hence the event alone."""
        self.run("""document.documentElement.dispatchEvent(
          new MouseEvent("mouseleave", {clientX: innerWidth / 2, clientY: -1}))""")
