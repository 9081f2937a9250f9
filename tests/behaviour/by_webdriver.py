"""Windows of WebKitGTK, which Selenium drives."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.common.exceptions import JavascriptException, WebDriverException
from selenium.webdriver import Remote, WebKitGTKOptions, WebKitGTKService
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.remote.remote_connection import RemoteConnection
from selenium.webdriver.remote.webelement import WebElement
from urllib3.exceptions import HTTPError

from tests.behaviour.windows import AS_A_PERSON, CALL, FOCUSED, HEIGHT, PATIENCE, WIDTH, Window, wait

LONGEST_ANSWER = 12
"""Seconds that the driver may take for one thing: what it asked of a page that was put away in this moment is never
answered, and is asked again, several times within `PATIENCE`."""
STARTS = 8
"""Tries to start the browser, which now and then does not answer when the machine is busy."""
LOOK = 2.0
"""Seconds until a look is given up: what was asked of a page that went away meanwhile is never answered."""
RUN = f"""const tell = arguments[arguments.length - 1];
const done = (result) => {{
  const taken = [];
  for (const {{prototype}} of [Object, Array, String]) {{
    const property = Object.getOwnPropertyDescriptor(prototype, "toJSON");
    if (property && delete prototype.toJSON) taken.push([prototype, property]);
  }}
  if (taken.length) setTimeout(() => taken.forEach(([one, its]) => Object.defineProperty(one, "toJSON", its)));
  tell(result);
}};
({CALL})(arguments[0]).then((value) => done([value ?? null]), (error) => done(String(error?.stack || error)));"""
"""The driver writes results as JSON in the page, so a page's own ``toJSON`` steps aside for as long."""
FIND = """(tags) => {
  const found = [];
  const look = (root) => root.querySelectorAll("*").forEach((one) => {
    if (one.matches(tags) && one.getClientRects().length) found.push(one);
    if (one.shadowRoot) look(one.shadowRoot);
  });
  look(document);
  return found;
}"""
TAGS = {
    "button": "button",
    "link": "a[href]",
    "radio": "input[type=radio]",
    "textbox": "textarea, input",
    "heading": "h1, h2, h3",
}
"""The elements that may have a role by nature; the browser says which have it."""
FIRST = (
    f"{AS_A_PERSON};"
    + """Object.defineProperty(window, "stageErrors", {value: (() => {
  const errors = [], said = console.error;
  addEventListener("error", (event) => { if (event.message) errors.push(event.message) });
  addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
  console.error = (...given) => { errors.push(given.join(" ")); said.apply(console, given) };
  return errors;
})()})"""
)
"""The stage puts this first on pages, XHTML too (so no ampersand), for a driver that can't and tells of no errors."""
KEYS = {"Space": Keys.SPACE, "Enter": Keys.ENTER, "Escape": Keys.ESCAPE, "Backspace": Keys.BACKSPACE}


class Profile:
    """A session of the driver, and what its tabs have in common."""

    def __init__(self, driver: str, proxy: str, environment: dict[str, str]) -> None:
        """Start a browser whose every request goes through a proxy at ``HOST:PORT``."""
        options = WebKitGTKOptions()
        options.page_load_strategy = "none"  # by the others it may never answer on a page that changes under it
        options.set_capability("proxy", {"proxyType": "manual", "httpProxy": proxy, "sslProxy": proxy})
        for left in reversed(range(STARTS)):
            self._service = WebKitGTKService(executable_path=driver, env=environment, log_output=subprocess.DEVNULL)
            self._service.start()
            try:
                client = ClientConfig(self._service.service_url, timeout=LONGEST_ANSWER)
                self.driver = Remote(RemoteConnection(client_config=client), options=options)
                break
            except (WebDriverException, HTTPError):
                self._service.stop()
                if not left:
                    raise
        self._patience = 0.0
        self.errors: list[str] = []
        self.at: tuple[str, tuple[str, ...]] = ("", ())
        """The tab and the frames in it that the driver is at."""

    def allow(self, seconds: float) -> None:
        """How long scripts may take from now on."""
        if seconds != self._patience:
            self.driver.set_script_timeout(seconds)
            self._patience = seconds

    def end(self) -> None:
        try:
            self.driver.quit()
        finally:
            self._service.stop()


class WebDriverWindow(Window):
    """A tab of a session, or a frame in it."""

    kind = "webkit"
    first = FIRST
    failures = (WebDriverException, HTTPError)

    def __init__(self, profile: Profile, handle: str, frames: tuple[str, ...] = ()) -> None:
        self._profile = profile
        self._handle = handle
        self._frames = frames

    @classmethod
    def in_new_profile(cls, driver: str, proxy: str, environment: dict[str, str]) -> WebDriverWindow:
        profile = Profile(driver, proxy, environment)
        try:
            window = cls(profile, profile.driver.current_window_handle)
            window.resize(WIDTH, HEIGHT)
        except Exception:
            profile.end()
            raise
        return window

    @property
    def _driver(self) -> Remote:
        """The driver, at this tab and frame."""
        profile, here = self._profile, (self._handle, self._frames)
        if profile.at != here or self._frames:
            profile.driver.switch_to.window(self._handle)
            for selector in self._frames:
                profile.driver.switch_to.frame(profile.driver.find_element("css selector", selector))
            profile.at = here
        return profile.driver

    def run(self, script: str, *arguments: Any) -> Any:
        return self._run(PATIENCE, script, arguments)

    def look(self, script: str, *arguments: Any) -> Any:
        return self._run(LOOK, script, arguments)

    def _run(self, seconds: float, script: str, arguments: tuple[Any, ...]) -> Any:
        self._profile.allow(seconds)
        result = self._driver.execute_async_script(RUN % script, list(arguments))
        if not isinstance(result, list):
            raise JavascriptException(result)
        return result[0]

    def start(self, url: str) -> None:
        self._keep_errors()
        if self._frames:
            self.run("(url) => void setTimeout(() => { location.href = url })", url)
        else:
            self._driver.get(url)

    def _navigate(self, leave: Callable[[], Any], where: str) -> None:
        self._keep_errors()
        super()._navigate(leave, where)

    def _keep_errors(self) -> None:
        self._profile.errors += self.run("window.stageErrors?.splice(0) || []")

    def _find(self, role: str, name: str | None) -> WebElement | None:
        tags = ", ".join(filter(None, (TAGS.get(role), f'[role="{role}"]')))
        for one in self.look(FIND, tags):
            if one.aria_role == role and name in (None, one.accessible_name):
                found: WebElement = one
                return found
        return None

    def has(self, role: str, name: str | None = None) -> bool:
        return self._find(role, name) is not None

    def click(self, role: str, name: str | None = None) -> None:
        def press() -> bool:
            found = self._find(role, name)
            if not found or not found.is_enabled():
                return False
            found.click()
            return True

        wait(press, f"{role} {name or ''}", PATIENCE, self.failures)

    def focused(self) -> tuple[str, str]:
        one = self.run(FOCUSED)
        return one.aria_role, one.accessible_name

    def press(self, keys: str) -> None:
        *held, last = keys.split("+")
        actions = ActionChains(self._driver, duration=0)
        for key in held:
            actions.key_down(getattr(Keys, key.upper()))
        actions.send_keys(_key(last))
        for key in reversed(held):
            actions.key_up(getattr(Keys, key.upper()))
        actions.perform()

    def type(self, text: str) -> None:
        ActionChains(self._driver, duration=0).send_keys(text).perform()

    def point(self, x: int, y: int) -> None:
        actions = ActionChains(self._driver, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(x, y)  # type: ignore[no-untyped-call]
        actions.perform()

    def resize(self, width: int, height: int) -> None:
        missing = self.run("[outerWidth - innerWidth, outerHeight - innerHeight]")
        self._driver.set_window_size(width + missing[0], height + missing[1])
        self.until("(width, height) => innerWidth == width && innerHeight == height", width, height)

    def tab(self) -> WebDriverWindow:
        self._driver.switch_to.new_window("window")  # a tab would stay hidden
        new = WebDriverWindow(self._profile, self._profile.driver.current_window_handle)
        self._profile.at = (new._handle, ())
        new.resize(WIDTH, HEIGHT)
        return new

    def to_front(self) -> None:
        self._profile.driver.switch_to.window(self._handle)
        self._profile.at = (self._handle, ())

    def frame(self, selector: str) -> WebDriverWindow:
        self.until("(selector) => document.querySelector(selector)?.contentWindow != null", selector)
        return WebDriverWindow(self._profile, self._handle, (*self._frames, selector))

    def close(self) -> None:
        self._keep_errors()
        self._driver.close()
        self._profile.at = ("", ())

    def end(self) -> None:
        self._profile.end()

    def set_offline(self, offline: bool) -> None:
        self.run(
            """(on) => { Object.defineProperty(navigator, "onLine", {get: () => on, configurable: true});
            dispatchEvent(new Event(on ? "online" : "offline")) }""",
            not offline,
        )

    def cookies(self) -> list[dict[str, Any]]:
        return self._driver.get_cookies()

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._driver.get_screenshot_as_base64()))

    @property
    def errors(self) -> list[str]:
        self._keep_errors()
        return list(self._profile.errors)


def _key(name: str) -> str:
    if len(name) == 1:
        return name
    words = "".join("_" + letter if letter.isupper() else letter.upper() for letter in name).strip("_")
    return KEYS.get(name) or str(getattr(Keys, words))
