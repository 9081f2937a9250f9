"""Responses as a file, streamed: CSV, JSON or a spreadsheet; all of a survey, or those that a filter lets through.

An export comes in pieces, each with how many responses were gone through since the piece before. `framed` is for a page
that says how far it is: before each piece stand the responses so far and the bytes of the piece, four bytes each, the
most significant first; behind the last piece stands `END`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from collector.db.moments import moment
from collector.db.schema import responses, surveys
from collector.db.store import Database
from collector.db.text import folded
from collector.responses.reading import Filter, filtered, restricted
from collector.surveys.lifecycle import Survey

COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "score",
    "group",
    "comment",
    "email",
    "email_verified",
    "consent_text",
    "complete",
    "page",
    "language",
    "device",
    "browser",
    "system",
    "revision",
    "visitor_id",
    "bot",
)
AT_ONCE = 500
"""Rows that are read and written at once."""
MOST_ROWS = 1_048_575
"""That fit on one sheet beside its heading, as spreadsheet programs have it."""
Piece = tuple[int, bytes]
END = b"\xff" * 8
"""Without it, what came is not all."""
EVERYTHING = Filter()
TEXT = 49
"""The number of the format of cells that hold text whatever stands in them."""
PIECE = 256 * 1024
"""Bytes of a finished file that are sent at once."""


@dataclass(frozen=True)
class Selection:
    """What a file is of: the responses of one survey or, where that is None, of a whole site."""

    site_id: int
    survey: Survey | None
    wanted: Filter = EVERYTHING

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS if self.survey else ("survey", *COLUMNS)

    def query(self) -> Select[Any]:
        """For all but the words of the filter, in no order."""
        columns = [responses.c[name] for name in COLUMNS]
        if self.survey is None:
            return filtered(self.site_id, self.wanted).with_only_columns(surveys.c.name.label("survey"), *columns)
        mine = responses.c.site_id == self.site_id, responses.c.survey_number == self.survey.number
        return restricted(select(*columns).where(*mine), self.site_id, replace(self.wanted, survey_id=None))


async def _parts(database: Database, selection: Selection) -> AsyncIterator[tuple[int, Sequence[Row[Any]]]]:
    """What is wanted, oldest first, some at a time, each with how many were gone through for it: whoever takes them
    slowly keeps nobody else from reading."""
    query = selection.query().order_by(responses.c.created_at, responses.c.id).limit(AT_ONCE)
    words = folded(selection.wanted.words) if selection.wanted.words else None
    following = query
    while True:
        async with database.read() as connection:
            part = (await connection.execute(following)).all()
        if part:
            yield len(part), [row for row in part if words is None or words in folded(row.comment or "")]
        if len(part) < AT_ONCE:
            return
        at, row_id = part[-1].created_at, part[-1].id
        later = or_(responses.c.created_at > at, and_(responses.c.created_at == at, responses.c.id > row_id))
        following = query.where(responses.c.created_at >= at, later)


async def count_responses(connection: AsyncConnection, selection: Selection) -> int:
    """How many an export of this moment goes through."""
    found = selection.query().with_only_columns(func.count())
    return (await connection.execute(found)).scalar_one()


async def framed(pieces: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """The pieces with how far they are before each."""
    done = 0
    async for count, data in pieces:
        done += count
        yield done.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data
    yield END


async def export_csv(database: Database, selection: Selection) -> AsyncIterator[Piece]:
    """As RFC 4180 has it, in UTF-8 with a byte-order mark, as spreadsheets want it.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    yield 0, b"\xef\xbb\xbf" + _csv_line(selection.columns)
    async for count, part in _parts(database, selection):
        yield count, b"".join(_csv_line([_no_formula(value, _cell(value)) for value in row]) for row in part)


async def export_json(database: Database, selection: Selection) -> AsyncIterator[Piece]:
    """One array with an object for each response."""
    separator, names = b"[", selection.columns
    async for count, part in _parts(database, selection):
        objects = [json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False) for row in part]
        yield count, separator + ",\n".join(objects).encode() if objects else b""
        separator = b",\n" if objects else separator
    yield 0, b"[]\n" if separator == b"[" else b"]\n"


async def export_xlsx(database: Database, selection: Selection) -> AsyncIterator[Piece]:
    """A workbook in which everything typed is text: no formula and no link is ever made of it, nor once a cell is
    edited."""
    xlsxwriter = import_module("xlsxwriter")  # half a second of a start, for what few ever ask for
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with TemporaryDirectory() as folder, TemporaryFile() as file, ExitStack() as stack:
        book = xlsxwriter.Workbook(file, {**options, "tmpdir": folder})
        sheet, next_row = None, MOST_ROWS + 1
        as_text = book.add_format({"num_format": TEXT})
        async for count, part in _parts(database, selection):
            if sheet is None or next_row + len(part) > MOST_ROWS:
                sheet, next_row = book.add_worksheet(), 1
                stack.callback(sheet.row_data_fh.close)  # should nobody want the rest
                sheet.write_row(0, 0, selection.columns)
            await asyncio.to_thread(_write, sheet, as_text, next_row, part)
            next_row += len(part)
            yield count, b""
        if sheet is None:
            book.add_worksheet().write_row(0, 0, selection.columns)
        await asyncio.to_thread(book.close)
        file.seek(0)
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield 0, piece


def _write(sheet: Any, as_text: Any, first: int, part: Sequence[Row[Any]]) -> None:
    for number, row in enumerate(part, first):
        for column, value in enumerate(row):
            if isinstance(value, int) and not isinstance(value, bool):
                sheet.write_number(number, column, value)
            elif value is not None:
                sheet.write_string(number, column, _cell(value), as_text)


def _csv_line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return moment(value) if isinstance(value, datetime) else str(value)


_SIGNS = "=+@＝＋＠﹦﹢﹫⁼⁺₌₊"
_MINUS = "-－﹣⁻₋−"
"""What a formula begins with, and the wider and smaller forms that some spreadsheets read as the same."""
_LINES = r"\r\n\v\f\x1c-\x1e\x85\u2028\u2029"
_BESIDE = (
    rf"[^\S\t;|,{_LINES}]"
    + r"""|["'`´‘’‚“”„«»＇＂\0-\x08\x0e-\x1b\x7f\xad"""
    + (
        r"\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]"
    )
)
"""What is passed over on the way to it: blanks, quotes that fall away when a cell is split, and what is not seen."""
_FORMULA = re.compile(
    rf"(^(?=[\t\r\n|])|(?:^|[;|\t{_LINES}])(?=(?:{_BESIDE})*(?:[{_SIGNS}]|[{_MINUS}](?!\))))"
    rf"|,(?=[\"']*(?:[{_SIGNS}]|[{_MINUS}])))"
)
"""Where a formula could begin: in front, and behind what another spreadsheet, another language or a reader that minds
no quotes begins another cell at; but for ;-) which is none."""


def _no_formula(value: Any, text: str) -> str:
    return _FORMULA.sub(r"\1'", text) if isinstance(value, str) else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
