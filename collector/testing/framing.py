"""Puts the tag into pages under test that do not have it, and lets their policies allow it."""

from __future__ import annotations

import re

_OWN_TAG = re.compile(r"""<script\b[^>]*\bsrc=["'][^"']*/w/[\w-]+\.js["'][^>]*>(\s*</script>)?""")
_KEPT = re.compile(r"""\b(?:data-consent|data-lang|nonce)=["'][^"']*["']""")
_NONCE = re.compile(r"""<script\b[^>]*\bnonce=["']([^"']+)["']""")


def made_up() -> str:
    """A page for an address that nobody serves."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><h1>A page</h1></body></html>'
    )


def with_tag(html: str, tag: str) -> str:
    """A page with the tag in it: in place of the one that it has, else at the end of its head."""
    if own := _OWN_TAG.search(html):
        options = "".join(one + " " for one in _KEPT.findall(own[0]))
        return html.replace(own[0], tag.replace("<script ", f"<script {options}", 1))
    if nonce := _NONCE.search(html):
        tag = tag.replace("<script ", f'<script nonce="{nonce[1]}" ', 1)
    for place in ("</head>", "<body", "</body>"):
        if place in html:
            return html.replace(place, tag + place, 1)
    return html + tag


def allowing(policy: str, origin: str) -> str:
    """A content security policy that lets scripts come from, and requests go to, one more origin."""
    directives = [one.split() for one in policy.split(";") if one.strip()]
    named = {one[0].lower(): one for one in directives}
    for name in ("script-src", "script-src-elem", "connect-src"):
        directive = named.get(name)
        if directive is None and name != "script-src-elem" and "default-src" in named:
            directive = [name, *named["default-src"][1:]]
            directives.append(directive)
        if directive is not None:
            directive[1:] = [source for source in directive[1:] if source != "'none'"] + [origin]
    return "; ".join(" ".join(one) for one in directives)
