"""URL patterns: read, checked and brought into the form that the widget compares with.

The widget holds the matching (`widget/src/rules.ts`); this file holds the reading, so that a pattern which can never
match is refused with its reason when the survey is saved. What the two share is `tests/contract/url_patterns.json`.
"""

from __future__ import annotations

import re
from typing import NotRequired, TypedDict
from unicodedata import category
from urllib.parse import parse_qsl, unquote

import idna

LONGEST = 1000

_LABEL = re.compile(r"[a-z0-9_*]([a-z0-9_*-]{0,61}[a-z0-9_*])?")
_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_KEPT = re.compile(r"(%(?:2[35AFaf]|3[Ff]))")
"""Escapes that stay: ``# % * / ?`` would mean something else once decoded."""


class Compiled(TypedDict):
    """A pattern as the widget compares it; a part that is missing matches anything. ``*`` is any run of characters.

    ``path`` is decoded and ends with one slash (or ``*``), as the widget writes an address before it compares.
    """

    scheme: NotRequired[str]
    host: NotRequired[str]
    port: NotRequired[str]
    path: NotRequired[str]
    query: NotRequired[list[tuple[str, str]]]
    hash: NotRequired[str]


def compile_pattern(pattern: str) -> Compiled:
    """Read one pattern. Raises `ValueError` with the reason if it cannot match any address."""
    if len(pattern) > LONGEST:
        raise ValueError(f"a pattern has at most {LONGEST} characters")
    pattern = pattern.strip()
    if not pattern:
        raise ValueError("an empty pattern matches nothing; write * for every page")
    if re.search(r"[\s\x00-\x1f\x7f]", pattern):
        raise ValueError("no address has white space in it; write %20 for a space")
    if "\\" in pattern:
        raise ValueError("browsers turn \\ into /, so an address never has it; write /")
    compiled = Compiled()
    rest, _, fragment = pattern.partition("#")
    rest, _, query = rest.partition("?")
    scheme, separator, after = rest.partition("://")
    if "/" in scheme or not separator:  # a path may hold :// too
        scheme, separator = "", ""
    else:
        rest = after
    if separator and scheme.lower() not in ("http", "https", "*"):
        raise ValueError(f"pages are reached over http or https, never {scheme or 'nothing'}://")
    if separator and scheme != "*":
        compiled["scheme"] = scheme.lower()
    anywhere = rest.startswith("*/") and not separator  # any path that ends so, on any host
    authority, slash, path = ("", "", rest) if anywhere else rest.partition("/")
    if not authority and separator:
        raise ValueError("there is no host after ://")
    if authority:
        _read_authority(authority, compiled)
    everything = (not authority and not slash and not anywhere) or rest == "*"
    if not everything:
        compiled["path"] = _read_path(slash + path)
    if query and query != "*":
        compiled["query"] = [_read_pair(piece) for piece in query.split("&") if piece and piece != "*"]
    if ":~:" in fragment:
        raise ValueError("browsers take :~: and what follows it out of an address before anyone sees it")
    if fragment:
        compiled["hash"] = _decode(fragment)
    return compiled


def _read_authority(authority: str, compiled: Compiled) -> None:
    if "@" in authority:
        raise ValueError("an address never carries a user name; leave out what stands before @")
    if authority.startswith("["):
        host, bracket, port = authority.partition("]")
        host, port = host + bracket, port.removeprefix(":")
        if not re.fullmatch(r"\[[0-9a-f:.]+\]", host.lower()):
            raise ValueError(f"{host} is not an IPv6 address")
        compiled["host"] = host.lower()
    else:
        host, colon, port = authority.partition(":")
        if colon and not port:
            raise ValueError("there is no port after the colon")
        if host != "*":
            compiled["host"] = _read_host(host)
    if port and port != "*":
        if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
            raise ValueError(f"{port} is not a port; ports are 1 to 65535")
        compiled["port"] = str(int(port))


def _read_host(host: str) -> str:
    labels = [_read_label(label, host) for label in host.removesuffix(".").split(".")]
    if labels[0] == "www" and len(labels) > 2 and labels[1] != "*":
        labels = labels[1:]  # with or without www. is the same host
    name = ".".join(labels)
    if len(name) > 253:
        raise ValueError("a host has at most 253 characters")
    return name


def _read_label(label: str, host: str) -> str:
    if not label:
        raise ValueError(f"the host {host} has nothing between two dots, or begins with one")
    if not label.isascii():
        if "*" in label:
            raise ValueError(f"{label} mixes * with letters beyond a–z; write the label whole or as * alone")
        return _punycode(label)
    label = label.lower()
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label} cannot be part of a host: letters, digits, - and _, 63 at most")
    return label


def _punycode(label: str) -> str:
    """A label as browsers write it, which know emoji and other signs that the newer standard for names leaves out."""
    try:
        return idna.encode(label, uts46=True).decode()
    except idna.IDNAError:
        pass
    try:
        plain = idna.uts46_remap(label, std3_rules=True)
    except idna.IDNAError:
        raise ValueError(f"{label} cannot be part of a host") from None
    short = "xn--" + plain.encode("punycode").decode()
    if not all(category(one)[0] in "LNS" or one == "-" for one in plain) or len(short) > 63 or plain.isascii():
        raise ValueError(f"{label} cannot be part of a host")
    return short


def _read_path(path: str) -> str:
    segments = [unquote(segment) for segment in path.split("/")]
    if "." in segments or ".." in segments:
        raise ValueError("browsers resolve . and .. in a path, so an address never has them")
    decoded = _decode(path)
    return decoded if decoded.endswith("*") else decoded.rstrip("/") + "/"


def _read_pair(piece: str) -> tuple[str, str]:
    name, equals, value = piece.partition("=")
    return _decode_query(name), _decode_query(value) if equals else "*"


def _decode_query(text: str) -> str:
    kept = text.replace("%2A", "%252A").replace("%2a", "%252A")
    return parse_qsl("x=" + kept, keep_blank_values=True)[0][1]


def _decode(text: str) -> str:
    """Percent-decode what need not be encoded; what is no UTF-8 stays as it is, with capitals."""

    def run(match: re.Match[str]) -> str:
        pieces = _KEPT.split(match.group())
        return "".join(piece.upper() if _KEPT.fullmatch(piece) else _decode_utf8(piece) for piece in pieces)

    return _ESCAPE.sub(run, text)


def _decode_utf8(escapes: str) -> str:
    try:
        return unquote(escapes, errors="strict")
    except UnicodeDecodeError:
        return escapes.upper()
