"""The figures, as the field defines them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.surveys.metrics import GROUPS, SCALES, Metric, figure, group_of, scores
from tests.conftest import CONTRACT

CASES = json.loads((CONTRACT / "scores.json").read_text("utf-8"))
KINDS = [(metric, scale) for metric, scales in SCALES.items() for scale in scales]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['metric']} {case['scale']}")
def test_every_score_has_its_group(case: dict[str, Any]) -> None:
    for group in GROUPS:
        for score in case[group]:
            assert group_of(case["metric"], case["scale"], score) == group
    for score in case["refused"]:
        with pytest.raises(ValueError, match="not on the"):
            group_of(case["metric"], case["scale"], score)


def test_table_has_every_scale() -> None:
    assert [(case["metric"], case["scale"]) for case in CASES] == KINDS


def test_csat_is_the_share_of_positive_answers() -> None:
    assert figure("csat", 5, {1: 1, 3: 1, 4: 3, 5: 3}).value == 75.0
    assert figure("csat", 3, {3: 1, 2: 1}).value == 50.0


def test_nps_is_promoters_minus_detractors() -> None:
    assert figure("nps", 11, {10: 50, 9: 10, 8: 20, 6: 10, 0: 10}).value == 40.0
    assert figure("nps", 11, {0: 3, 10: 1}).value == -50.0
    assert figure("nps", 11, {7: 5}).value == 0.0


def test_ces_is_the_mean_with_the_share_of_six_and_seven() -> None:
    found = figure("ces", 7, {7: 2, 6: 1, 4: 1})
    assert (found.value, found.positive_share) == (6.0, 75.0)


@pytest.mark.parametrize(("metric", "scale"), KINDS)
def test_no_answers_is_no_figure(metric: Metric, scale: int) -> None:
    found = figure(metric, scale, {})
    assert (found.value, found.positive_share, found.total) == (None, None, 0)


@given(st.sampled_from(KINDS), st.data())
def test_figures_stay_in_their_bounds(kind: tuple[Metric, int], data: st.DataObject) -> None:
    metric, scale = kind
    counts = data.draw(st.dictionaries(st.sampled_from(list(scores(metric, scale))), st.integers(1, 10**9), min_size=1))
    found = figure(metric, scale, counts)
    low, high = {"csat": (0, 100), "nps": (-100, 100), "ces": (1, 7)}[metric]
    assert found.value is not None
    assert low <= found.value <= high
    assert sum(found.groups.values()) == found.total == sum(counts.values())
