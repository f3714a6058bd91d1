"""The log: one line a request, a warning for a retry or a long wait, and never a secret or a parameter."""

import logging
import subprocess
import sys

import attrs
import pytest

from b24batch import LeakyBucket, RetryPolicy
from b24batch.clock import Wait
from b24batch.redaction import redact_urllib3_log


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if (record.name, record.levelno) == ("b24batch", level)]


def test_a_line_for_each_request(portal, clock, caplog):
    """At DEBUG each request is one line: method, number of commands, seconds, request id; no parameter, no URL."""
    caplog.set_level(logging.DEBUG)
    portal.method("slow")(lambda params: clock.advance(1.25))
    b24 = portal.session(clock=clock)
    b24.batch_by_chunk([("slow", {"secret": "parameter"})] * 3, chunk_size=2, request_id="run")
    b24.call("slow", {"secret": "parameter"}, request_id="one")
    assert lines(caplog, logging.DEBUG) == [
        "batch: 2 commands, 2.500 s, request id run",
        "batch: 1 command, 1.250 s, request id run/2",
        "slow: 1 command, 1.250 s, request id one",
    ]
    assert lines(caplog, logging.WARNING) == []
    assert "parameter" not in caplog.text


def test_a_warning_for_each_retry(portal, clock, caplog):
    """A retry is a warning with its reason, however short the wait."""
    portal.fail_next("rate_limited", times=2)
    policy = RetryPolicy(random=lambda: 0.25)
    portal.session(clock=clock, retries=policy).call("server.time", request_id="one")
    assert lines(caplog, logging.WARNING) == [
        "waiting 0.2 s (retry) before attempt 2, request id one",
        "waiting 0.5 s (retry) before attempt 3, request id one",
    ]


def test_a_warning_for_a_long_wait(portal, clock, caplog):
    """A wait for the rate is a warning when it is over a second."""
    b24 = portal.session(clock=clock, limits=LeakyBucket(2, 1.0, clock=clock))
    b24.batch_by_chunk([("server.time",)] * 3, chunk_size=1, request_id="run")
    assert lines(caplog, logging.WARNING) == []
    portal.session(clock=clock, limits=LeakyBucket(2, 0.5, clock=clock)).batch_by_chunk(
        [("server.time",)] * 2, chunk_size=1, request_id="run"
    )
    assert lines(caplog, logging.WARNING) == ["waiting 2.0 s (rate) before attempt 1, request id run/2"]


def test_on_wait(portal, clock):
    """`on_wait` gets a frozen record of every wait, before it begins."""
    waits = []
    bucket = LeakyBucket(2, 0.5, clock=clock)
    policy = RetryPolicy(random=lambda: 1.0)
    b24 = portal.session(
        clock=clock, limits=bucket, retries=policy, on_wait=lambda wait: waits.append((clock.monotonic(), wait))
    )
    portal.fail_next("lost_before")
    b24.call("server.time", request_id="one")
    assert waits == [
        (0.0, Wait(reason="retry", seconds=1.0, attempt=2, request_id="one")),
        (1.0, Wait(reason="rate", seconds=1.0, attempt=2, request_id="one")),
    ]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        waits[0][1].seconds = 0


def test_an_error_in_on_wait(portal):
    """An error of the caller's own in `on_wait` ends the run as the same object, with what is known."""
    error = LookupError("mine")

    def fail(wait):
        raise error

    portal.fail_next("rate_limited", after=1)
    with pytest.raises(LookupError) as caught:
        portal.session(on_wait=fail).batch_by_chunk([("echo",)] * 3, chunk_size=1)
    assert caught.value is error
    assert [row.status for row in error.result] == ["ok", "skipped", "skipped"]


@pytest.mark.slow
def test_nothing_is_printed_by_default():
    """A program that sets up no logging sees nothing of ours on its screen, not even a warning."""
    program = (
        "from b24batch.sandbox import Portal\n"
        "from b24batch import RetryPolicy\n"
        "with Portal() as portal:\n"
        "    portal.fail_next('rate_limited')\n"
        "    portal.session(retries=RetryPolicy(wait_initial=0)).call('server.time')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


LOGGED = [
    (
        '%s://%s:%s "%s %s %s" %s %s',
        ("https", "x.com", 443, "POST", "/rest/1/s3cret/batch", "HTTP/1.1", 200, 5),
        'https://x.com:443 "POST /rest/1/***/batch HTTP/1.1" 200 5',
    ),
    ("POST http://x.com/rest/me@x/s3cret/crm.deal.add.json", (), "POST http://x.com/rest/me@x/***/crm.deal.add.json"),
    ("/rest/1/s3cret", (), "/rest/1/***"),
    ("/rest/batch?auth=s3cret&x=1", (), "/rest/batch?auth=***&x=1"),
    (
        "access_token=s3cret refresh_token=s3cret&client_secret=s3cret",
        (),
        "access_token=*** refresh_token=***&client_secret=***",
    ),
    ("?code=s3cret&barcode=5", (), "?code=***&barcode=5"),
    ("Starting new HTTPS connection (%d): %s:%s", (1, "x.com", 443), "Starting new HTTPS connection (1): x.com:443"),
]


@pytest.mark.parametrize(("message", "arguments", "shown"), LOGGED)
def test_urllib3s_log_is_redacted(caplog, message, arguments, shown):
    """What urllib3 logs of requests loses webhook codes and tokens, and nothing else."""
    redact_urllib3_log()
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug(message, *arguments)
    assert [record.getMessage() for record in caplog.records] == [shown]


FILTERS = (
    "import logging\n"
    "from b24batch import Session\n"
    "log = logging.getLogger('urllib3.connectionpool')\n"
    "counts = [len(log.filters)]\n"
    "for options in ({'redact_urllib3_log': False}, {}, {}):\n"
    "    Session('https://example.bitrix24.com/rest/1/code/', **options)\n"
    "    counts.append(len(log.filters))\n"
    "print(counts)\n"
)


@pytest.mark.slow
def test_the_filter_is_installed_once():
    """The first session installs the filter, later ones no second; a session may leave it out."""
    ended = subprocess.run([sys.executable, "-c", FILTERS], capture_output=True, text=True, timeout=60)
    assert ended.stdout.strip() == "[0, 0, 1, 1]"


def test_a_real_request_is_redacted(portal, caplog):
    """The code is in none of the records that a request makes, of any logger."""
    caplog.set_level(logging.DEBUG)
    portal.session().call("server.time")
    code = portal.url.rstrip("/").rpartition("/")[2]
    assert any(record.name.startswith("urllib3") for record in caplog.records)
    assert code not in caplog.text
    assert "/rest/1/***/server.time" in caplog.text
