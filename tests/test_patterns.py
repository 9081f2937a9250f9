"""URL patterns as the server reads them; `tests/browser/test_url_patterns.py` runs the same table in a browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.surveys.patterns import compile_pattern
from tests.conftest import CONTRACT

TABLE = json.loads((CONTRACT / "url_patterns.json").read_text("utf-8"))


@pytest.mark.parametrize("case", TABLE["patterns"], ids=lambda case: case["pattern"])
def test_pattern_is_read_as_the_widget_compares_it(case: dict[str, Any]) -> None:
    assert json.loads(json.dumps(compile_pattern(case["pattern"]))) == case["compiled"]


@pytest.mark.parametrize("case", TABLE["refused"], ids=lambda case: case["pattern"][:30] or "nothing")
def test_pattern_that_can_match_nothing_is_refused_with_the_reason(case: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=case["because"]):
        compile_pattern(case["pattern"])


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        compiled = compile_pattern(text)
    except ValueError as error:
        assert str(error)
    else:
        assert set(compiled) <= {"scheme", "host", "port", "path", "query", "hash"}
