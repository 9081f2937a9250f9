"""What a user agent says of a device, and whether a robot sent it.

Families are named as the field names them (ua-parser's "Mobile Safari", "Chrome Mobile"). Each is known by a word, and
the words are looked for in an order in which the more special come first, since browsers name those that they are like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from collector.responses.robots import is_robot

LONGEST = 512
"""Characters read of a user agent."""
MOST_READINGS = 2048
"""Readings that are kept, so that at most some two megabytes are."""

Kind = Literal["desktop", "tablet", "phone", "other"]


@dataclass(frozen=True, slots=True)
class Device:
    kind: Kind
    browser: str | None
    system: str | None
    robot: bool


_BROWSERS: Sequence[tuple[str, str, str]] = (
    # word, name, name on a device in the hand
    *(("FBAN/", "Facebook", ""), ("FBAV/", "Facebook", ""), ("Instagram", "Instagram", "")),
    *(("MicroMessenger/", "WeChat", ""), ("Snapchat", "Snapchat", ""), ("[Pinterest/", "Pinterest", "")),
    *(("musical_ly", "TikTok", ""), ("BytedanceWebview", "TikTok", ""), ("GSA/", "Google", "")),
    *(("EdgiOS/", "Edge Mobile", ""), ("EdgA/", "Edge Mobile", ""), ("Edg/", "Edge", "Edge Mobile")),
    *(("Edge/", "Edge", "Edge Mobile"), ("OPiOS/", "Opera Mini", ""), ("Opera Mini", "Opera Mini", "")),
    *(("OPT/", "Opera Touch", ""), ("OPR/", "Opera", "Opera Mobile"), ("Opera Mobi", "Opera Mobile", "")),
    *(("Opera", "Opera", ""), ("SamsungBrowser/", "Samsung Internet", ""), ("YaBrowser/", "Yandex Browser", "")),
    *(("Vivaldi/", "Vivaldi", ""), ("UCBrowser/", "UC Browser", ""), ("MiuiBrowser/", "MiuiBrowser", "")),
    *(("HuaweiBrowser/", "Huawei Browser", ""), ("DuckDuckGo/", "DuckDuckGo Mobile", ""), ("Ddg/", "DuckDuckGo", "")),
    *(("Whale/", "Whale", ""), ("QQBrowser", "QQ Browser", "QQ Browser Mobile"), ("Silk/", "Amazon Silk", "")),
    *(("VivoBrowser/", "Vivo Browser", ""), ("HeyTapBrowser/", "HeyTap Browser", ""), ("Brave/", "Brave", "")),
    *(("Iron/", "Iron", ""), ("Epiphany/", "Epiphany", ""), ("HeadlessChrome/", "HeadlessChrome", "")),
    *(("Klar/", "Firefox Klar", ""), ("Focus/", "Firefox Focus", ""), ("FxiOS/", "Firefox iOS", "")),
    *(("CriOS/", "Chrome Mobile iOS", ""), ("SeaMonkey/", "SeaMonkey", ""), ("PaleMoon/", "Pale Moon", "")),
    *(("Firefox/", "Firefox", "Firefox Mobile"), ("Chromium/", "Chromium", ""), ("Trident/", "IE", "IE Mobile")),
    *(("MSIE ", "IE", "IE Mobile"), ("Electron/", "Electron", "")),
)
_SYSTEMS: Sequence[tuple[str, str]] = (
    *(("Windows Phone", "Windows Phone"), ("Windows", "Windows"), ("iPhone", "iOS"), ("iPad", "iOS"), ("iPod", "iOS")),
    *(("CrOS", "Chrome OS"), ("KAIOS", "KaiOS"), ("OpenHarmony", "HarmonyOS"), ("HarmonyOS", "HarmonyOS")),
    *(("Tizen", "Tizen"), ("Web0S", "webOS"), ("webOS", "webOS"), ("hpwOS", "webOS"), ("Android", "Android")),
    *(("Mac OS X", "Mac OS X"), ("Macintosh", "Mac OS X"), ("Ubuntu", "Ubuntu"), ("Fedora", "Fedora")),
    *(("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD"), ("BlackBerry", "BlackBerry OS"), ("BB10", "BlackBerry OS")),
    *(("Symbian", "Symbian OS"), ("PlayStation", "PlayStation"), ("Nintendo", "Nintendo"), ("Linux", "Linux")),
    ("X11", "Linux"),
)
_DESKTOPS = frozenset({"Windows", "Chrome OS", "Mac OS X", "Ubuntu", "Fedora", "FreeBSD", "OpenBSD", "Linux"})
_IN_THE_HAND = frozenset({"Windows Phone", "KaiOS", "BlackBerry OS", "Symbian OS"})
_TABLETS = ("iPad", "Tablet", "PlayBook", "Kindle", " SM-T", " SM-X", " SM-P", " Tab ", "Pad ", "Nexus 7", "Nexus 10")
_TELEVISIONS = ("TV", "; AFT", "BRAVIA", "CrKey", "Chromecast", "PlayStation", "Xbox", "Nintendo", "Quest ")
_PHONES = ("Mobile", "iPhone", "iPod", "MIDP", "Opera Mini", "Opera Mobi", "Phone")
_CHROME = re.compile(r"Chrome/\d+(\.\d+\.\d+[\d.]* Mobile\b)?")


@lru_cache(maxsize=MOST_READINGS)
def _read(agent: str) -> Device:
    system = next((name for word, name in _SYSTEMS if word in agent), None)
    kind = _kind(agent, system)
    return Device(kind, _browser(agent, kind, system), system, is_robot(agent))


def read_user_agent(value: str | None) -> Device:
    """Read a User-Agent header; what it does not say is ``other`` or None, and no header at all is a robot's."""
    return _read(value[:LONGEST]) if value and value.strip() else Device("other", None, None, robot=True)


def _kind(agent: str, system: str | None) -> Kind:
    is_phone = _says(agent, _PHONES)
    if system is None:
        return "phone" if is_phone else "other"
    if _says(agent, _TELEVISIONS):
        return "other"
    if system in _DESKTOPS and not (is_phone and system in ("Linux", "Windows")):
        return "desktop"
    if _says(agent, _TABLETS):
        return "tablet"
    if is_phone or system in _IN_THE_HAND:
        return "phone"
    return "tablet" if system in ("Android", "HarmonyOS") else "other"


def _says(agent: str, words: Sequence[str]) -> bool:
    return any(word in agent for word in words)


def _browser(agent: str, kind: Kind, system: str | None) -> str | None:
    for word, name, mobile in _BROWSERS:
        if word in agent:
            return mobile if mobile and kind in ("phone", "tablet") else name
    if chrome := _CHROME.search(agent):
        if "; wv)" in agent:
            return "Chrome Mobile WebView"
        return "Chrome Mobile" if chrome[1] else "Chrome"
    if system == "Android":
        return "Android" if "AppleWebKit" in agent else None
    if "Safari/" in agent:
        return "Mobile Safari" if system == "iOS" else "Safari"
    return "Mobile Safari UI/WKWebView" if system == "iOS" and "AppleWebKit" in agent else None
