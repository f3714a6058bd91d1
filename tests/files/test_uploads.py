"""Uploads: a file is stored once and whole, or the error says what became of it."""

import errno
import json
import os
import signal
import sys
import threading
import tracemalloc

import pytest
import requests
from canary import assert_hidden
from drawing import some
from gates import Gate, read_request

from b24batch import (
    AjaxError,
    AnswerLost,
    ExpiredToken,
    LeakyBucket,
    NotSent,
    RateLimited,
    RetryPolicy,
    SdkError,
    Session,
    UnexpectedAnswer,
    UsageError,
)
from b24batch.files import download_file, upload_file
from b24batch.files.forms import Form
from b24batch.sandbox import FAULTS, Answer, FakeClock, Portal, PortalError

CONTENT = bytes(range(256)) * 2000
HANGING = {"silent", "stall", "drip", "slow"}


def files_of(b24, root):
    """The names and sizes of the files in a folder."""
    return [(row["NAME"], row["SIZE"]) for row in b24.call_list("disk.folder.getchildren", {"id": root})]


@pytest.mark.parametrize("name", ["a.bin", "отчёт за май.pdf", 'a "b" & c;d=e.txt', "100%41.txt", "a\u202fb.png"])
@pytest.mark.parametrize("as_path", [True, False])
def test_a_file(portal, b24, root, tmp_path, name, as_path):
    """The file arrives under its name and whole; two requests are sent, and the row is returned."""
    path = tmp_path / name
    path.write_bytes(CONTENT)
    sent = len(portal.requests)
    row = upload_file(b24, root, path if as_path else (name, CONTENT))
    assert (row["NAME"], row["SIZE"], row["PARENT_ID"]) == (name, str(len(CONTENT)), root)
    assert [request.method for request in portal.requests[sent:]] == ["disk.folder.uploadfile", "upload"]
    assert download_file(b24, row["DOWNLOAD_URL"], tmp_path / "copy").read_bytes() == CONTENT


def test_oauth(portal, root, tmp_path):
    """With a token the link has the token in it; none is added to the form."""
    with portal.session(portal.oauth()) as b24:
        row = upload_file(b24, int(root), ("a.bin", CONTENT))
        assert set(portal.requests[-1].params) == {"auth", "token"}
        assert download_file(b24, row["DOWNLOAD_URL"], tmp_path / "copy").read_bytes() == CONTENT


def test_on_request_that_raises(portal, root):
    """An exception of `on_request` leaves as it is, after the file was sent."""

    def stop(request):
        if request.method == "disk.folder.uploadfile" and request.commands == 0:
            raise LookupError("mine")

    with portal.session(on_request=stop) as b24, pytest.raises(LookupError, match="mine"):
        upload_file(b24, root, ("a.bin", CONTENT))
    assert portal.requests[-1].method == "upload"


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"--", b"\r\n--x--\r\n", b"\x00" * 262_144, b"a" * 262_145, CONTENT * 3]
)
def test_any_content(b24, root, tmp_path, content):
    """Any content arrives as it is: ends of lines, bytes that look like the form's, and the edges of its parts."""
    row = upload_file(b24, root, ("a.bin", content))
    assert download_file(b24, row["DOWNLOAD_URL"], tmp_path / "copy", size=len(content)).read_bytes() == content


def test_params(b24, root):
    """A name that is taken is refused, unless the parameters ask for another one."""
    upload_file(b24, root, ("a.bin", b"1"))
    with pytest.raises(AjaxError, match="DISK_OBJ_22000"):
        upload_file(b24, root, ("a.bin", b"22"))
    assert upload_file(b24, root, ("a.bin", b"22"), {"generateUniqueName": True})["NAME"] == "a (1).bin"
    assert files_of(b24, root) == [("a.bin", "1"), ("a (1).bin", "2")]


@pytest.mark.parametrize("name", ["id", "data", "fileContent"])
def test_params_that_are_set_already(portal, b24, name):
    """A parameter that the upload itself sets is refused."""
    with pytest.raises(UsageError, match="id, data and fileContent are set by upload_file"):
        upload_file(b24, 1, ("a.bin", b"1"), {name: "x"})
    assert portal.requests == []


def test_refusals(b24, tmp_path):
    """The portal's refusal is an `AjaxError`; a missing file and a wrong source are errors before anything is sent."""
    with pytest.raises(AjaxError, match="ERROR_NOT_FOUND"):
        upload_file(b24, 999, ("a.bin", b"1"))
    with pytest.raises(FileNotFoundError):
        upload_file(b24, 1, tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        upload_file(b24, 1, tmp_path)
    with pytest.raises(UsageError, match="got bytes"):
        upload_file(b24, 1, b"1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "times", "after"),
    some((fault, times, after) for fault in sorted(set(FAULTS) - HANGING) for times in (1, 9) for after in (0, 1)),
)
def test_faults(portal, b24, root, fault, times, after):
    """After any fault the file was stored once at most: once if there is no error, not at all if it was not sent."""
    portal.fail_next(fault, times=times, after=after)
    error = None
    try:
        upload_file(b24, root, ("a.bin", CONTENT), {"generateUniqueName": True})
    except SdkError as failure:
        error = failure
    names = [row["NAME"] for row in portal.execute("disk.folder.getchildren", {"id": root})]
    assert names in ([], ["a.bin"])
    if error is None:
        assert names == ["a.bin"]
    elif not isinstance(error, AnswerLost):
        assert names == []


def test_a_lost_answer_is_not_sent_again(portal, b24, root):
    """A file whose answer was lost may be stored, so it is not sent again."""
    portal.fail_next("lost_after", after=1)
    sent = len(portal.requests)
    with pytest.raises(AnswerLost):
        upload_file(b24, root, ("a.bin", CONTENT))
    assert len(portal.requests) == sent + 2
    assert files_of(b24, root) == [("a.bin", str(len(CONTENT)))]


def test_what_was_not_executed_is_sent_again(portal, b24, root):
    """The link is requested again after a lost answer; a form that was refused for the rate is sent again, whole."""
    portal.fail_next("lost_after", times=2)
    portal.fail_next("rate_limited", times=2, after=3)
    assert upload_file(b24, root, ("a.bin", CONTENT))["SIZE"] == str(len(CONTENT))
    assert files_of(b24, root) == [("a.bin", str(len(CONTENT)))]


LINK = '{"result": {"field": "file", "uploadUrl": "%s"}}'
BAD_LINKS = [
    ('{"result": {"ID": "5"}}', UnexpectedAnswer, "expected uploadUrl and field in the answer"),
    ('{"result": []}', UnexpectedAnswer, "expected uploadUrl and field"),
    ('{"result": {"uploadUrl": "https://x/secret", "field": "a\\r\\nb"}}', UnexpectedAnswer, "expected uploadUrl"),
    ('{"result": {"uploadUrl": "https://x/secret"}}', UnexpectedAnswer, "expected uploadUrl"),
    (LINK % "https://evil.example.com/secret?token=secret", UsageError, r"leads to evil\.example\.com"),
    (LINK % "//evil.example.com/secret", UsageError, r"leads to evil\.example\.com"),
    (LINK % "secret", UsageError, "does not start with https"),
    ('{"result": {"field": "file", "uploadUrl": 5}}', UsageError, "got int"),
]


@pytest.mark.parametrize(("answer", "kind", "reason"), BAD_LINKS, ids=range(len(BAD_LINKS)))
def test_links_elsewhere(portal, b24, caplog, answer, kind, reason):
    """Without a link to the portal's own host the file is not sent, and the link is in no message."""
    caplog.set_level("DEBUG")
    portal.fail_next(Answer(answer))
    with pytest.raises(kind, match=reason) as refused:
        upload_file(b24, 1, ("a.bin", CONTENT))
    assert len(portal.requests) == 1
    assert_hidden(["secret"], refused.value, caplog.records)


@pytest.mark.parametrize(
    "answer",
    [
        '{"result": true}',
        '{"result": []}',
        '{"result": {"ID": 5, "SIZE": "7"}}',
        '{"result": {"ID": 5}}',
        f'{{"result": {{"SIZE": "{len(CONTENT)}"}}}}',
        '{"result": {}}',
    ],
)
def test_another_file(portal, b24, answer):
    """An answer that is not the file that was sent is an error: the portal may have stored only a part of it."""
    portal.fail_next(Answer(answer), after=1)
    with pytest.raises(UnexpectedAnswer, match=f"expected a file of {len(CONTENT)} bytes, got one of "):
        upload_file(b24, 1, ("a.bin", CONTENT))


def test_secrets(portal, b24, root, caplog):
    """The link is in no error and no log, also when the answer to it was lost or repeats it."""
    caplog.set_level("DEBUG")
    code = portal.url.rstrip("/").rpartition("/")[2]
    for fault in ("lost_after", "html_502", Answer(json.dumps({"error": f"/rest/1/{code}/"}), 400)):
        portal.fail_next(fault, after=1)
        with pytest.raises(SdkError) as failed:
            upload_file(b24, root, ("a.bin", CONTENT))
        assert_hidden([code, "disk%7C", "disk|"], failed.value, caplog.records)


def test_a_file_that_changes(portal, b24, root, tmp_path):
    """A file that becomes shorter or longer while it is sent is not stored."""
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    portal.fail_next(lambda: os.truncate(path, len(CONTENT) - 1))
    with pytest.raises(NotSent, match=r"'a\.bin' has changed while it was sent; it was not stored"):
        upload_file(b24, root, path)
    assert files_of(b24, root) == []
    path.write_bytes(CONTENT)
    portal.fail_next(lambda: path.write_bytes(CONTENT * 2))
    with pytest.raises(NotSent, match="has changed"):
        upload_file(b24, root, path)
    assert files_of(b24, root) == []


def test_a_file_that_has_no_end(portal, b24, root):
    """A device that is passed as a file is not read for ever."""
    with pytest.raises(NotSent, match="'zero' has changed while it was sent"):
        upload_file(b24, root, "/dev/zero")
    assert files_of(b24, root) == []


def test_a_file_that_goes(portal, b24, root, tmp_path):
    """A file that is removed meanwhile is the system's own error, and not taken for a fault of the network."""
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    portal.fail_next(path.unlink)
    with pytest.raises(FileNotFoundError):
        upload_file(b24, root, path)
    assert files_of(b24, root) == []


def test_a_network_drive_that_goes(portal, root, tmp_path):
    """An error of a file that might be one of the network leaves as it is, also with http= your own session."""
    path, error = tmp_path / "a.bin", ConnectionResetError(errno.ECONNRESET, "the drive is away")
    path.write_bytes(CONTENT)

    def fail(_frame, event, function):
        if event == "c_call" and function.__name__ == "read" and getattr(function.__self__, "name", "") == str(path):
            raise error

    before = sys.getprofile()
    with portal.session(http=requests.Session()) as b24:
        sys.setprofile(fail)
        try:
            with pytest.raises(ConnectionResetError) as caught:
                upload_file(b24, root, path)
        finally:
            sys.setprofile(before)
    assert caught.value is error


def test_your_own_requests_session(portal, root):
    """With http= your own session sends the form."""
    http = requests.Session()
    http.headers["X-Mine"] = "1"
    with portal.session(http=http) as b24:
        assert upload_file(b24, root, ("a.bin", CONTENT))["SIZE"] == str(len(CONTENT))
    assert portal.requests[-1].headers["x-mine"] == "1"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.png", "image/png"), ("a.tar.gz", "application/x-tar"), ("a", "application/octet-stream")],
)
def test_the_form(name, kind):
    """The form has the field that the portal named, the file's name and its type; its length is known before."""
    form = Form(name, b"s3cr3t", boundary="b")
    form.field = "document"
    head = f'Content-Disposition: form-data; name="document"; filename="{name}"\r\nContent-Type: {kind}'
    expected = f"--b\r\n{head}\r\n\r\ns3cr3t\r\n--b--\r\n".encode()
    assert (b"".join(form), len(form)) == (expected, len(expected))
    assert repr(form) == f"Form(name={name!r}, field='document', boundary='b', size=6)"


def test_the_name_of_the_field():
    """The file is in the field that the portal named."""
    bodies = []

    def take(gate, connection):
        _head, body = read_request(connection)
        bodies.append(body)
        answer = '{"result": {"field": "document", "uploadUrl": "/upload", "ID": 1, "SIZE": 1}}'
        lines = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(answer)}\r\n\r\n{answer}"
        connection.sendall(lines.encode())

    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = take
        upload_file(b24, 1, ("a.bin", b"x"))
    assert b'; name="document"; filename="a.bin"' in bodies[1]


#: Bytes of a file that is larger than what an upload may take of memory.
LARGE = 32_000_000


def take_much(gate, connection):
    """Answer with a link; then receive a large form in parts, and keep nothing of it."""
    with connection:
        head, _ = b"", b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        length = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if b"content-length" in line)
        left = length - len(head.partition(b"\r\n\r\n")[2])
        while left:
            left -= len(connection.recv(min(left, 1_000_000)))
        size = f'{{"result": {{"ID": 1, "SIZE": "{LARGE}"}}}}'
        answer = size if head.startswith(b"POST /upload") else LINK % "/upload"
        lines = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(answer)}\r\n\r\n{answer}"
        connection.sendall(lines.encode())


def test_large_files_take_no_memory(tmp_path):
    """A file is read in parts while it is sent: the memory that an upload takes does not grow with it."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGE)
    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = take_much
        tracemalloc.start()
        try:
            upload_file(b24, 1, path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 6_000_000


def link_then_interrupt(gate, connection):
    """Answer with a link; press Ctrl-C in the program while it waits for the answer to its form."""
    head, _ = read_request(connection)
    if head.startswith(b"POST /upload"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        gate.closed.wait(5)
    answer = LINK % "/upload"
    connection.sendall(
        f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode()
    )


def test_ctrl_c():
    """Ctrl-C half-way leaves as it is, and tells whether the form was sent."""
    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = link_then_interrupt
        with pytest.raises(KeyboardInterrupt) as interrupt:
            upload_file(b24, 1, ("a.bin", CONTENT))
        gate.closed.set()
    assert interrupt.value.request_sent is True


def test_time_outs(portal, b24, root):
    """A form whose answer does not come is ended by the session's time-out; it may have been stored."""
    busy = RetryPolicy(attempts=99, wait_initial=0.0)  # a busy portal may be late with the link, too
    hanging = b24.with_options(timeout=0.1, retries=busy, on_request=lambda told: told.error or hang())

    def hang():
        portal.fail_next("silent", times=9)

    with pytest.raises(AnswerLost):
        upload_file(hanging, root, ("a.bin", CONTENT))


def test_a_token_that_expires_meanwhile():
    """A token that expires between the link and the end of the form costs one more link, and never a second file."""
    clock = FakeClock()
    with Portal(clock=clock) as portal, portal.session(portal.oauth(), deadline=9000) as b24:
        root = b24.call("disk.storage.get", {"id": 1}).data["ROOT_OBJECT_ID"]
        sent = len(portal.requests)
        portal.fail_next(lambda: clock.sleep(4000), after=1)
        upload_file(b24, root, ("a.bin", CONTENT))
        assert [request.method for request in portal.requests[sent:]] == ["disk.folder.uploadfile", "upload"] * 2
        assert files_of(b24, root) == [("a.bin", str(len(CONTENT)))]


def test_a_token_that_is_refused_again(portal, root):
    """A link that is refused twice for its token is an error; nothing was stored."""
    sent = len(portal.requests)
    with portal.session(portal.oauth()) as b24:
        for after in (1, 3):
            portal.fail_next(PortalError("expired_token", http_status=401), after=after)
        with pytest.raises(ExpiredToken):
            upload_file(b24, root, ("a.bin", CONTENT))
    assert [request.method for request in portal.requests[sent:]] == ["disk.folder.uploadfile", "upload"] * 2
    assert portal.execute("disk.folder.getchildren", {"id": root}) == []


def test_the_rate_counts(portal, root):
    """Each of the two requests takes a slot of the session's rate limit."""
    limits = LeakyBucket(capacity=3, leak_rate=0.001)
    with portal.session(limits=limits, max_wait=1, retries=RetryPolicy(attempts=1)) as b24:
        upload_file(b24, root, ("a.bin", CONTENT))
        with pytest.raises(RateLimited, match="max_wait"):
            upload_file(b24, root, ("b.bin", CONTENT))
