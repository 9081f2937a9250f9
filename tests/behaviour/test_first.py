"""What a visitor sees first, in every browser."""

from __future__ import annotations

from tests.behaviour.visit import Visit


def test_answer_with_a_comment_is_stored_once(visit: Visit) -> None:
    visit.site.publish()
    visit.open().expect_shown()
    visit.answer("Satisfied")
    visit.write("Quick, and wrapped well 🎁")
    visit.send()
    visit.expect_thanked()
    visit.settle()
    (response,) = visit.site.responses()
    assert (response["score"], response["comment"], response["complete"]) == (4, "Quick, and wrapped well 🎁", True)
    assert visit.window.errors == []
