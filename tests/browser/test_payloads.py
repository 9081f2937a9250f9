"""Three hundred scripts in everything that a visitor or a site owner can fill in: none runs on any page of the admin.

The browser leaves the pages' policy aside here, which would stop them as well: what holds them is that text is text.
"""

from __future__ import annotations

import csv
import io
import json
from itertools import product

from playwright.sync_api import Browser, Page, expect

from collector.web.admin.fields import TAB_WORDS
from tests.conftest import PASSWORD, PERSON, USER, Process, add_site
from tests.events import impression, response

CALLS = ("ran()", "window.ran(1)", "self['ran']()", "(0,ran)()", "eval('ran()')", "ran`1`")
SHAPES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    '"><script>{}</script>',
    "'><script>{}</script>",
    "</textarea><script>{}</script>",
    "</title><script>{}</script>",
    "</style><script>{}</script>",
    "--><script>{}</script><!--",
    "]]><script>{}</script>",
    "<scr<script>ipt>{}</script>",
    "<ScRiPt\n>{}</sCrIpT\n>",
    "\u003cscript\u003e{}\u003c/script\u003e",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;script&#62;{}&#60;/script&#62;",
    "%3Cscript%3E{}%3C/script%3E",
    "<img src=x onerror={}>",
    '"><img src=x onerror="{}">',
    "<img/src=x/onerror={}>",
    "<svg onload={}>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<svg><script>{}</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror={}>",
    "<body onload={}>",
    "<details open ontoggle={}>",
    "<input autofocus onfocus={}>",
    '" autofocus onfocus="{}',
    "' autofocus onfocus='{}",
    '" onmouseover="{}" x="',
    "` onerror=`{}",
    "<iframe src=javascript:parent.{}>",
    "<iframe srcdoc='<script>parent.{}</script>'>",
    "<object data=javascript:{}>",
    "<embed src=javascript:{}>",
    "<a href=javascript:{}>x</a>",
    "javascript:{}",
    "<form action=javascript:{}><button>x",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<base href=javascript:{}//>",
    "<link rel=stylesheet href=javascript:{}>",
    "<video><source onerror={}>",
    "<marquee onstart={}>",
    "<template><script>{}</script></template>",
    "<noscript><p title='</noscript><img src=x onerror={}>'>",
    "{{{{ {} }}}}",
    "{{% {} %}}",
    "${{{}}}",
    "<div hx-on:load={} hx-get=/admin hx-trigger=load>",
    "<x hx-vals='js:{{a:{}}}' hx-get=/admin hx-trigger=load>",
    "\\u003cscript\\u003e{}\\u003c/script\\u003e",
    "<!--><script>{}</script>-->",
)
PAYLOADS = [shape.format(call) for shape, call in product(SHAPES, CALLS)]
FIRST = "window.ran = () => { window.it = true }; window.alert = window.ran"


def test_no_payload_runs_anywhere(browser: Browser, alone: Process) -> None:
    assert len(PAYLOADS) == 300
    alone.environment |= {"TEVREDEN_RATE_PER_ADDRESS": "0", "TEVREDEN_RATE_PER_SITE": "0"}
    token = alone.command("token", "add", "tests")
    alone.command("user", "add", USER, "--password", PASSWORD)
    alone.start()
    site = add_site(alone.http, alone.url, token)
    evil = PAYLOADS[2]
    texts = {
        "heading": PAYLOADS[15][:200],
        "body": PAYLOADS[20],
        "link_text": PAYLOADS[99][:200],
        "link": "https://x.example",
    }
    survey = site.publish(
        name=evil,
        question=PAYLOADS[7],
        follow_up=dict.fromkeys(("negative", "neutral", "positive"), PAYLOADS[120]),
        thank_you=dict.fromkeys(("negative", "neutral", "positive"), texts),
        email_capture={"consent_text": PAYLOADS[33]},
        where={"include": ["/" + "".join(PAYLOADS[90].split())]},
        when={"event": PAYLOADS[130][:100], "element": PAYLOADS[140]},
        translations={"nl": {"question": PAYLOADS[161], "follow_up": {"negative": PAYLOADS[180]}}},
    )
    for start in range(0, len(PAYLOADS), 25):
        events = []
        for payload in PAYLOADS[start : start + 25]:
            word = "".join(one for one in payload if one.isascii() and one.isprintable() and one not in ' @"')
            shown = impression(survey, page=f"https://shop.example/{word}")
            mine = {
                "comment": payload,
                "email": f"{word[:60]}@example.com",
                "language": "en",
                "page": f"https://x.example/{word}",
            }
            events += [shown, response(survey, impression=shown["id"], state=2, complete=True, **mine)]
        reply = alone.http.post(
            f"{alone.url}/w/{site.key}/events",
            json={"events": events},
            headers={"User-Agent": PERSON},  # of which nothing is kept but names that we know
        )
        assert reply.status_code == 200, reply.text

    window = browser.new_context(bypass_csp=True, user_agent=f"Mozilla/5.0 {evil} Chrome/150.0.0.0 Safari/537.36")
    window.add_init_script(FIRST)
    page = window.new_page()
    page.goto(f"{alone.url}/admin/sign-in")
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    home = f"/admin/{site.key}/{survey['id']}"
    seen = 0
    address = f"{home}/responses?period=all"
    while address:
        visit(page, alone.url + address)
        seen += page.locator("#responses > li").count()
        earlier = page.get_by_role("link", name="Older", exact=True)
        address = str(earlier.get_attribute("href")) if earlier.count() else ""
    assert seen == len(PAYLOADS), "robots are not among them"
    visit(page, page.url.split("#")[0])
    first = str(page.locator("#responses a").first.get_attribute("href"))
    at = f"/admin/{site.key}"
    others = ["/admin/sites", "/admin/account", "/admin/log", at, f"{at}/surveys", f"{at}/responses", first, home]
    others += [f"{home}/review", f"{home}/news", f"{home}/responses/news", f"{home}/preview"]
    for path in (*others, *(f"{home}/edit/{tab}" for tab in TAB_WORDS), f"/s/{site.key}-{survey['key']}"):
        visit(page, alone.url + path)
    for payload in PAYLOADS[::25]:
        visit(
            page,
            f"{alone.url}{home}/responses?words={payload.replace('%', '%25').replace('#', '%23').replace('&', '%26')}",
        )
    window.close()

    cookies = {"cookie": "; ".join(f"{one['name']}={one['value']}" for one in window_cookies(browser, alone.url))}
    rows = alone.http.get(f"{alone.url}{home}/responses.json", headers=cookies).text
    assert {row["comment"] for row in json.loads(rows)} == {payload.strip() for payload in PAYLOADS}
    table = alone.http.get(f"{alone.url}{home}/responses.csv", headers=cookies).content.decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(table, newline="")))) == len(PAYLOADS)


def visit(page: Page, address: str) -> None:
    """Open a page, go over everything on it, and look whether anything ran."""
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    page.evaluate("""document.querySelectorAll('*').forEach((one) =>
        ['focus', 'mouseover', 'toggle', 'load', 'error'].forEach((name) => one.dispatchEvent(new Event(name))))""")
    assert page.evaluate("window.it") is None, address
    links = page.evaluate("[...document.links].map((one) => one.protocol)")
    assert set(links) <= {"http:", "https:"}, address


def window_cookies(browser: Browser, url: str) -> list[dict[str, str]]:
    """Those of someone who has signed in."""
    window = browser.new_context()
    page = window.new_page()
    page.goto(f"{url}/admin/sign-in")
    page.get_by_label("E-mail address").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Home", exact=True)).to_be_visible()
    found = [{"name": str(one["name"]), "value": str(one["value"])} for one in window.cookies()]
    window.close()
    return found
