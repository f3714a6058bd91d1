"""Credentials that can be renewed: a refused token is refreshed once, and what was refused is sent again."""

import pytest

from b24batch import AuthError, ExpiredToken, RetryPolicy, Session, Webhook


class Renewable:
    """Credentials of a webhook that count how often they are renewed, and say whether that helped."""

    def __init__(self, url, *, renewal="refreshed"):
        webhook = Webhook(url)
        self.host, self.scheme, self.access = webhook.host, webhook.scheme, webhook.access
        self.renewal, self.refreshed = renewal, 0

    def renew(self, refused, connections):
        self.refreshed += 1
        return self.renewal


def session(auth):
    return Session(auth, limits=None, retries=RetryPolicy(wait_initial=0.0))


WRITE = ("crm.deal.add", {"fields": {"TITLE": "once"}})


def test_an_expired_token_is_renewed(portal):
    """A write that was refused for its token is sent again with a new one, and runs once."""
    portal.fail_next("expired_token")
    auth = Renewable(portal.url)
    assert session(auth).batch([WRITE]).is_success
    assert (auth.refreshed, len(portal.requests), len(portal.executed)) == (1, 2, 1)


def test_a_second_refusal_is_raised(portal):
    """A new token that is refused as well ends the request: no second renewal, nothing executed."""
    portal.fail_next("expired_token", times=9)
    auth = Renewable(portal.url)
    with pytest.raises(ExpiredToken):
        session(auth).batch([WRITE])
    assert (auth.refreshed, len(portal.requests), portal.executed) == (1, 2, [])


def test_tokens_that_others_renew_for_ever(portal):
    """A request takes two tokens that somebody else renewed at most, so that it ends."""
    portal.fail_next("expired_token", times=9)
    auth = Renewable(portal.url, renewal="taken")
    with pytest.raises(ExpiredToken):
        session(auth).batch([WRITE])
    assert (auth.refreshed, len(portal.requests), portal.executed) == (2, 3, [])


def test_a_refusal_after_another_fault_is_the_second_one(portal):
    """One renewal is all that a request gets, also when a refusal for the rate comes in between."""
    for fault, after in (("expired_token", 0), ("rate_limited", 1), ("expired_token", 2)):
        portal.fail_next(fault, after=after)
    auth = Renewable(portal.url)
    with pytest.raises(ExpiredToken):
        session(auth).batch([WRITE])
    assert (auth.refreshed, len(portal.requests), portal.executed) == (1, 3, [])


def test_each_request_may_renew_once(portal):
    """A token that expires again later in a run is renewed again."""
    for after in (0, 3):
        portal.fail_next("expired_token", after=after)
    auth = Renewable(portal.url)
    assert session(auth).batch_by_chunk([WRITE] * 3, chunk_size=1).is_success
    assert (auth.refreshed, len(portal.executed)) == (2, 3)


def test_credentials_that_cannot_be_renewed(portal, b24):
    """Where nothing can be renewed, a webhook for one, the refusal is raised at once and ends a run."""
    portal.fail_next("expired_token", times=9)
    auth = Renewable(portal.url, renewal="none")
    for each in (session(auth), b24):
        result = each.batch_by_chunk([WRITE] * 2, chunk_size=1)
        assert [row.status for row in result] == ["failed", "skipped"]
        assert isinstance(result[0].error, AuthError)
    assert (auth.refreshed, len(portal.requests), portal.executed) == (1, 2, [])
