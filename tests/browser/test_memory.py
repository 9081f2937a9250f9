"""Surveys that come and go leave nothing behind."""

from __future__ import annotations

from tests.browser.conftest import Visit

ROUNDS = 100
MOST_BYTES = 1_000_000

CYCLE = """async ([key, rounds]) => {
  for (let at = 0; at < rounds; at++) {
    tevreden.show(key);
    await new Promise((done) => document.addEventListener('tevreden:shown', done, {once: true}));
    tevreden.dismiss();
  }
}"""


def test_hundred_surveys_shown_and_closed_leave_the_heap_as_it_was(visit: Visit) -> None:
    survey = visit.site.publish(where={"include": ["/elsewhere"]})
    visit.open()
    session = visit.context.new_cdp_session(visit.page)

    def heap() -> float:
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"])

    visit.page.evaluate(CYCLE, [survey["key"], 5])
    visit.settle()
    before = heap()
    visit.page.evaluate(CYCLE, [survey["key"], ROUNDS])
    visit.settle()
    assert visit.survey.count() == 0
    assert heap() - before < MOST_BYTES
    counts = visit.site.results(survey)["counts"]
    assert (counts["impressions"], counts["dismissals"]) == (ROUNDS + 5, ROUNDS + 5)
