"""Fills a SQLite store with as many responses as wanted, faster than anybody could give them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from uuid import UUID

from collector.db.schema import SCORE_COUNTERS

DAYS = 365


def with_responses(file: Path, site_key: str, survey_id: str, number: int) -> None:
    """Add ``number`` responses over a year, with their sums as the intake keeps them.

    Of ten thousand on, every day has every page: so stores of different size differ in responses, not in sums.
    """
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    (site,) = connection.execute("SELECT id FROM sites WHERE key = ?", (site_key,)).fetchone()
    find = "SELECT number FROM surveys WHERE site_id = ? AND id = ?"
    (survey,) = connection.execute(find, (site, UUID(survey_id).bytes)).fetchone()
    values = {"site": site, "survey": survey, "number": number, "step": DAYS * 86_400_000_000 / number}
    connection.create_function("unhex", 1, bytes.fromhex, deterministic=True)
    connection.execute("BEGIN")
    connection.execute(
        """
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :number)
        INSERT INTO responses (site_id, id, survey_number, revision, state, complete, score, "group", email_verified,
            created_at, updated_at, page, page_label, language, device, bot)
        SELECT :site, unhex(printf('%012x7%03x8%08x%07x', 1750000000000 + CAST(i * :step / 1000 AS INTEGER), i % 4096,
                :survey, i)),
            :survey, 1, 1, 1, 1 + i * 7 % 5, 'positive', 0,
            CAST(1750000000000000 + i * :step AS INTEGER), CAST(1750000000000000 + i * :step AS INTEGER),
            'https://shop.example/' || (i % 25), 'shop.example/' || (i % 25),
            CASE i % 3 WHEN 0 THEN 'en' WHEN 1 THEN 'nl' ELSE 'ar' END,
            CASE i % 3 WHEN 0 THEN 'desktop' WHEN 1 THEN 'phone' ELSE 'tablet' END, 0
        FROM n
        """,
        values,
    )
    scores = ", ".join(f"SUM(score = {score})" for score in range(len(SCORE_COUNTERS)))
    for dimension, value in (
        ("revision", "revision"),
        ("page", "page_label"),
        ("device", "device"),
        ("language", "language"),
    ):
        connection.execute(
            f"""
            INSERT INTO rollups
            (site_id, dimension, survey_number, day, value, lane, completed, {", ".join(SCORE_COUNTERS)})
            SELECT site_id, '{dimension}', survey_number, date(created_at / 1000000, 'unixepoch'), {value}, 0,
                COUNT(*), {scores}
            FROM responses WHERE site_id = :site AND survey_number = :survey GROUP BY 4, 5
            """,
            values,
        )
    connection.execute("COMMIT")
    connection.close()
