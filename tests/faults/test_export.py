"""Somebody exports everything while answers come in."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable

from tests.conftest import PASSWORD, USER
from tests.faults.conftest import Place
from tests.faults.times import times

SECONDS = times(2, 600)
WRITERS = 8


def test_export_beside_writers_disturbs_nobody(begin: Callable[..., Place], store: tuple[str, str]) -> None:
    place = begin(store)
    http, url = place.collector.http, place.collector.url
    signed_in = http.post(url + "/admin/sign-in", data={"email": USER, "password": PASSWORD}, headers={"Origin": url})
    assert signed_in.status_code == 303
    with place.load(connections=WRITERS) as load:
        over, exports = time.monotonic() + SECONDS, 0
        while time.monotonic() < over or exports < 3:
            load.wait_for(1)
            least = {answer.id for answer in load.answers if answer.acknowledged > 0}
            file = http.get(f"{url}/admin/{place.site.key}/{place.survey['id']}/responses.csv")
            assert file.status_code == 200
            rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
            ids = [row["id"] for row in rows]
            assert len(ids) == len(set(ids))
            assert least <= set(ids)
            exports += 1
        load.finish()
        assert load.refusals == load.losses == 0, load
        place.end(load)
    assert "busy" not in place.collector.output.read_text()
    assert "locked" not in place.collector.output.read_text()
