"""A machine that loses power while answers come in: what was acknowledged before is on its disk."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path

from tests.faults import power
from tests.faults.audit import audit
from tests.faults.conftest import Place
from tests.faults.times import times
from tests.needs import do_without

CUTS = times(10, 50)
ANSWERS = times(400, 3000)


def test_no_acknowledged_answer_is_lost_with_the_power(
    begin: Callable[..., Place], sqlite_store: tuple[str, str], tmp_path: Path
) -> None:
    library = power.build(tmp_path)
    if not library:
        do_without("a loss of power is simulated on Linux only, with a C compiler")
    file, log = Path(sqlite_store[0].removeprefix("sqlite:///")), tmp_path / "power.log"
    place = begin(sqlite_store, **power.environment(library, file.parent, log))

    with place.load(mark=lambda: log.stat().st_size) as load:
        load.wait_for(ANSWERS)
        place.collector.stop(signal.SIGKILL)
    records = power.read(log)
    first = min(mark for answer in load.answers for mark in answer.marks)
    under_load = [cut for cut, record in enumerate(records, 1) if record.end >= first]
    acknowledged = set()
    for cut in random.Random(3).sample(under_load, CUTS):
        folder = tmp_path / f"after-{cut}"
        power.lay(power.after_power_loss(log, cut, upto=cut), folder)
        known_by = records[cut - 1].end
        audit(f"sqlite:///{folder / file.name}").holds(load.answers, acknowledged_by=known_by)
        acknowledged.add(sum(mark <= known_by for answer in load.answers for mark in answer.marks))
    assert not load.wrong
    assert len(acknowledged) > CUTS // 2, "all cuts were at the same moment"
