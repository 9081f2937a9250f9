"""How much room an answer takes in the store, with the impression that it came of and with every index."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.ids import new_id
from tests.conftest import App
from tests.events import impression, response
from tests.services import in_store

ANSWERS, AT_ONCE = 2_000, 20
COMMENT = "The delivery came a day late, but the people on the phone were friendly and quick to help"
MOST = {"sqlite": 700, "postgresql": 1_000}
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    "postgresql": "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
    "'public'::regnamespace",
}


def test_answer_with_a_comment_takes_less_than_its_bound(app: App) -> None:
    survey = app.site.publish()
    sizes = []

    def send(number: int) -> None:
        for _ in range(number // AT_ONCE):
            events = []
            for _ in range(AT_ONCE):
                shown, page = str(new_id()), "https://shop.example/order/thanks"
                events.append(impression(survey, id=shown, page=page, language="en"))
                given = {"id": str(new_id()), "impression": shown, "comment": COMMENT, "page": page, "language": "en"}
                events.append(response(survey, **given))
            assert len(app.send(*events).json()["stored"]) == 2 * AT_ONCE

    send(AT_ONCE)  # what is made once for all is there
    for number in (ANSWERS, 0):
        kind, size = in_store(app, measure)
        sizes.append(size)
        send(number)
    each = (sizes[1] - sizes[0]) / ANSWERS
    assert each < MOST[kind], f"{each:.0f} bytes"


async def measure(connection: AsyncConnection) -> tuple[str, int]:
    kind = connection.dialect.name
    return kind, int((await connection.execute(text(SIZE[kind]))).scalar_one())
