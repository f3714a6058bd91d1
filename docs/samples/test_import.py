"""Tests of an import, with the fixtures of b24batch."""

import pytest

from b24batch import Session
from b24batch.sandbox import Portal


def import_deals(b24: Session, titles: list[str]) -> list[str]:
    """Create deals, and return the titles whose outcome is unknown."""
    result = b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": title}}) for title in titles])
    return [title for title, row in zip(titles, result, strict=True) if row.status == "unknown"]


def test_creates_each_deal(b24: Session, b24_portal: Portal) -> None:
    """Every title becomes a deal."""
    assert import_deals(b24, ["Deal 1", "Deal 2"]) == []
    assert [executed.method for executed in b24_portal.executed] == ["crm.deal.add"] * 2


@pytest.mark.parametrize(("fault", "executed"), [("lost_after", 1), ("lost_before", 0), ("html_502", 1)])
def test_sends_nothing_twice(b24: Session, b24_portal: Portal, fault: str, executed: int) -> None:
    """A deal whose answer is lost is returned, and not sent again."""
    b24_portal.fail_next(fault)
    assert import_deals(b24, ["Deal 1"]) == ["Deal 1"]
    assert len(b24_portal.executed) == executed


def test_gets_over_the_rate(b24: Session, b24_portal: Portal) -> None:
    """The session waits for a portal that refuses requests; the clock takes no real time."""
    b24_portal.fail_next("rate_limited", times=2)
    assert import_deals(b24, ["Deal 1"]) == []
