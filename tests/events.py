"""Events as the widget sends them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from tests.conftest import BROWSER_SECRET

PAGE = "https://shop.example/order"


def impression(survey: dict[str, Any], /, **change: Any) -> dict[str, Any]:
    about = {"type": "impression", "id": str(uuid4()), "survey": survey["key"], "revision": 1, "page": PAGE}
    return {**about, "language": "en", "secret": BROWSER_SECRET, **change}


def response(survey: dict[str, Any], /, **change: Any) -> dict[str, Any]:
    return {**impression(survey), "type": "response", "state": 1, "score": 4, **change}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
