"""The pytest plugin: test with Playwright where and when a survey shows on your pages. See `examples/playwright`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collector.testing.kit import Collector, SurveyKit, running


@pytest.fixture(scope="session")
def tevreden_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector on a free port with a store that is thrown away, one for each test process."""
    with running(tmp_path_factory.mktemp("tevreden")) as collector:
        yield collector


@pytest.fixture
def survey(request: pytest.FixtureRequest, tevreden_collector: Collector) -> Iterator[SurveyKit]:
    """Surveys on the Playwright page of this test: publish one, open a page, assert. Each test has its own site."""
    try:
        page = request.getfixturevalue("page")
    except pytest.FixtureLookupError:
        pytest.fail(
            "the survey fixture works on a Playwright page: install Tevreden with its kit,"
            " from its folder by pip install '.[kit]'",
            pytrace=False,
        )
    kit = SurveyKit(page, tevreden_collector)
    yield kit
    kit.close()
