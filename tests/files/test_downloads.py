"""Downloads: a file arrives whole and under its name, or nothing of it is left and the error says why."""

import contextlib
import errno
import gzip
import json
import os
import random
import re
import signal
import threading
import tracemalloc
import zlib
from urllib.parse import quote

import pytest
import requests
from canary import assert_hidden
from drawing import some
from gates import Gate, read_request
from open_files import needs_proc, opened_in
from system_calls import calling_at, failing_at

from b24batch import (
    AjaxError,
    AnswerLost,
    ExpiredToken,
    PortalMoved,
    RateLimited,
    RetryPolicy,
    SdkError,
    Session,
    UnexpectedAnswer,
    UsageError,
)
from b24batch.files import download_file, upload_file
from b24batch.redaction import Secret
from b24batch.sandbox import FAULTS, Answer, FakeClock, PortalError
from b24batch.wire import LeakyBucket
from b24batch.wire.links import Link

CONTENT = bytes(range(256)) * 1000
FILE = {"Content-Type": "application/pdf", "Content-Disposition": "attachment; filename=a.pdf"}
#: Faults that leave the connection open, so that only a time-out ends them.
HANGING = {"silent", "stall", "drip", "slow"}


def test_a_file(b24, stored, tmp_path):
    """The file is written to the path, which is returned, and nothing else is left in the folder."""
    row = stored(CONTENT)
    path = download_file(b24, row["DOWNLOAD_URL"], tmp_path / "copy.bin", size=row["SIZE"])
    assert path == tmp_path / "copy.bin"
    assert path.read_bytes() == CONTENT
    assert names_in(tmp_path) == ["copy.bin"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def umask():
    current = os.umask(0)
    os.umask(current)
    return current


def test_an_empty_file(b24, stored, tmp_path):
    """A file of no bytes is a file."""
    assert download_file(b24, stored(b"")["DOWNLOAD_URL"], tmp_path / "a", size=0).read_bytes() == b""


def test_oauth(portal, stored, tmp_path):
    """A link that was made for a token works as long as the token; after that it is an error that says so."""
    with portal.session(portal.oauth()) as b24:
        url = b24.call("disk.file.get", {"id": stored(CONTENT)["ID"]}).data["DOWNLOAD_URL"]
        assert download_file(b24, url, tmp_path / "a").read_bytes() == CONTENT
        portal.revoke_tokens()
        with pytest.raises(ExpiredToken):
            download_file(b24, url, tmp_path / "b")
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["отчёт за май.pdf", 'a "b".txt', "a;b=c.txt", "100%41.txt", ".hidden"])
def test_a_folder(b24, stored, tmp_path, name):
    """In a folder the file gets the name that it has on the portal."""
    path = download_file(b24, stored(CONTENT, name)["DOWNLOAD_URL"], tmp_path)
    assert path == tmp_path / name
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=../../evil.sh", "evil.sh"),
        ("attachment; filename=\"/etc/passwd\"; filename*=utf-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("attachment; filename*=UTF-8'en'..%5C..%5Cevil.exe", "evil.exe"),
        (r'attachment; filename="C:\\evil.exe"', "evil.exe"),
        ('ATTACHMENT; FILENAME="a.txt"', "a.txt"),
        ("attachment; filename*=utf-8''%D0%B0.txt; filename=b.txt", "\u0430.txt"),
        ('inline; filename="caf\xe9.txt"', "café.txt"),
        ("attachment; filename=..", None),
        ("attachment; filename=/", None),
        ("attachment; filename*=utf-8''a%00b", None),
        ("attachment; filename*=utf-8''a%0Ab", None),
        ('attachment; filename=""', None),
        ("attachment; filename=c:evil.exe", None),
        ("attachment; filename*=utf-8''c%3Aevil.exe", None),
        ("attachment", None),
    ],
)
def test_names_stay_in_the_folder(portal, b24, stored, tmp_path, disposition, name):
    """Whatever name an answer has, the file is in the folder; without a usable one it is an error."""
    folder = tmp_path / "down" / "loads"
    folder.mkdir(parents=True)
    url = stored(b"x")["DOWNLOAD_URL"]
    portal.fail_next(Answer(CONTENT, headers={**FILE, "Content-Disposition": disposition}))
    if name is None:
        with pytest.raises(UnexpectedAnswer, match="does not name the file; pass the path of a file"):
            download_file(b24, url, folder)
    else:
        assert download_file(b24, url, folder) == folder / name
    assert names_in(folder) == ([name] if name else [])
    assert names_in(tmp_path) == ["down"]


@pytest.mark.parametrize("in_folder", [True, False])
def test_existing_files(portal, b24, stored, tmp_path, in_folder):
    """A file that is there stays as it is, unless overwrite=True; where its name is known nothing is requested."""
    url, path = stored(CONTENT)["DOWNLOAD_URL"], tmp_path / "a.bin"
    path.write_bytes(b"mine")
    sent = len(portal.requests)
    with pytest.raises(FileExistsError, match=r"overwrite=True replaces it: .*a\.bin") as exists:
        download_file(b24, url, tmp_path if in_folder else path)
    assert_hidden([url.partition("?")[2], portal.url.rstrip("/").rpartition("/")[2]], exists.value)
    assert (path.read_bytes(), names_in(tmp_path)) == (b"mine", ["a.bin"])
    assert len(portal.requests) == sent + in_folder
    portal.fail_next(PortalError("X"))
    with pytest.raises(AjaxError):
        download_file(b24, url, path, overwrite=True)
    assert path.read_bytes() == b"mine"
    assert download_file(b24, url, tmp_path if in_folder else path, overwrite=True).read_bytes() == CONTENT
    assert names_in(tmp_path) == ["a.bin"]


NOT_PERMITTED = OSError(errno.EPERM, "Operation not permitted")


def without_links():
    """A system of files that has no hard links."""
    return failing_at("link", NOT_PERMITTED)


@pytest.mark.parametrize("system", [contextlib.nullcontext, without_links], ids=["links", "no links"])
def test_a_file_that_comes_meanwhile(portal, b24, stored, tmp_path, system):
    """A file that another program creates during the download is not overwritten either, also without hard links."""
    url, path = stored(CONTENT)["DOWNLOAD_URL"], tmp_path / "a.bin"
    portal.fail_next(lambda: path.write_bytes(b"mine"))
    with system(), pytest.raises(FileExistsError, match="overwrite=True replaces it"):
        download_file(b24, url, path)
    assert (path.read_bytes(), names_in(tmp_path)) == (b"mine", ["a.bin"])
    path.unlink()
    with system():
        assert download_file(b24, url, path).read_bytes() == CONTENT
    assert names_in(tmp_path) == ["a.bin"]


@needs_proc
def test_it_is_on_the_disk_before_it_has_its_name(b24, stored, tmp_path):
    """The system has all bytes, and writes them to the disk; the file is closed, and then gets its name."""
    url, seen = stored(b"x" * 100)["DOWNLOAD_URL"], []

    def look():
        (part,) = tmp_path.iterdir()
        seen.append((part.stat().st_size, len(opened_in(tmp_path))))

    with calling_at("fsync link", look):
        download_file(b24, url, tmp_path / "a.bin")
    assert seen == [(100, 1), (100, 0)]
    with failing_at("fsync", NOT_PERMITTED), pytest.raises(OSError, match="not permitted"):
        download_file(b24, url, tmp_path / "b.bin")
    assert names_in(tmp_path) == ["a.bin"]


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
HTML = "<!DOCTYPE html><html><body>Log in</body></html>"
NO_FILE = [
    (Answer(HTML, headers={"Content-Type": "text/html; charset=UTF-8"}), UnexpectedAnswer, "got a web page .HTTP 200"),
    (Answer(HTML, headers={"Content-Type": "TEXT/HTML"}), UnexpectedAnswer, "got a web page"),
    (Answer(HTML, headers={"Content-Type": "application/xhtml+xml"}), UnexpectedAnswer, "got a web page"),
    (Answer(HTML, headers={"Content-Type": ""}), UnexpectedAnswer, "got a web page"),
    (
        Answer(HTML, headers={"Content-Type": "text/html", "Content-Disposition": "inline"}),
        UnexpectedAnswer,
        "web page",
    ),
    (Answer("", headers={"Content-Type": ""}), UnexpectedAnswer, "got no file"),
    *(
        (Answer(said, headers={"Content-Type": kind}), UnexpectedAnswer, reason)
        for said, kind, reason in [
            (HTML, "text/plain", "got a web page"),
            (HTML, "application/vnd.wap.xhtml+xml", "got a web page"),
            ('{"result": true}', "text/javascript; charset=UTF-8", "got no file"),
            ('{"result": true}', "application/x-javascript", "got no file"),
            ('{"result": true}', "application/problem+json", "got no file"),
            ("<error/>", "text/xml", "got no file"),
            ("<error/>", "application/xml", "got no file"),
            ("Error", "Text/Plain", "got no file"),
        ]
    ),
    (Answer('{"error": "X"}', headers={"Content-Type": "text/plain"}), AjaxError, "download: X"),
    (Answer('{"error": "X"}', headers={"Content-Type": "application/x-javascript"}), AjaxError, "download: X"),
    (Answer('{"result": true}'), UnexpectedAnswer, "got no file"),
    (Answer(CONTENT, 206, FILE), UnexpectedAnswer, "got no file .HTTP 206"),
    (Answer(b"", 204, FILE), UnexpectedAnswer, "got no file .HTTP 204"),
    (
        Answer(HTML, 404, {"Content-Type": "text/html"}),
        UnexpectedAnswer,
        "HTTP 404.; the link may be for a browser, or",
    ),
    (Answer(CONTENT, 404, FILE), UnexpectedAnswer, "HTTP 404"),
    (Answer('{"error": "NOT_FOUND", "error_description": "No file"}', 404), AjaxError, "download: NOT_FOUND: No file"),
    (Answer('{"error": "X", "error_description": "No file"}', 200), AjaxError, "download: X: No file"),
    (Answer('{"error": "expired_token"}', 401), ExpiredToken, "expired_token"),
    (Answer("", 302, {"Location": "/auth/?backurl=x"}), UnexpectedAnswer, "HTTP 302"),
    (Answer("", 302, {"Location": "https://new.example.com/a?token=abcdefghijk"}), PortalMoved, "new.example.com"),
    (Answer(HTML, 499, {"Content-Type": "text/html"}), UnexpectedAnswer, "got a web page .HTTP 499"),
    (Answer(HTML, 500, {"Content-Type": "text/html"}), AnswerLost, "is not the JSON of a portal"),
    (Answer(CONTENT, 500, FILE), AnswerLost, "is not the JSON of a portal"),
    (
        Answer(CONTENT, 200, {**FILE, "Content-Encoding": "br"}),
        UnexpectedAnswer,
        "the encoding 'br', which was not requested",
    ),
    (Answer(CHUNKED, 200, {**FILE, "Transfer-Encoding": "gzip, chunked"}), UnexpectedAnswer, "'gzip, chunked'"),
    (Answer(CHUNKED, 200, {**FILE, "Transfer-Encoding": "chunked, chunked"}), UnexpectedAnswer, "'chunked, chunked'"),
    (Answer(CONTENT, 200, {**FILE, "Content-Encoding": "gzip, gzip"}), UnexpectedAnswer, "'gzip, gzip'"),
    (Answer(CONTENT, 200, {**FILE, "Connection": "close"}), UnexpectedAnswer, "does not state its length.*pass size="),
]


@pytest.mark.parametrize(("answer", "kind", "reason"), NO_FILE, ids=range(len(NO_FILE)))
def test_what_is_no_file(portal, b24, stored, tmp_path, answer, kind, reason):
    """A page, an error or a redirect is not stored as the file; it is an error of its class."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    portal.fail_next(answer, times=9)
    with pytest.raises(kind, match=reason) as failed:
        download_file(b24, url, tmp_path / "a")
    assert type(failed.value) is kind
    assert (names_in(tmp_path), failed.value.http_status) in (([], answer.status), ([], None))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (HTML, {"Content-Type": "text/html", "Content-Disposition": "attachment; filename=page.html"}),
        ('{"error": "mine"}', {"Content-Type": "application/json", "Content-Disposition": 'inline; filename="a.json"'}),
        ("x", {"Content-Type": "image/png"}),
        ("<svg/>", {"Content-Type": "image/svg+xml"}),
        ("a,b", {"Content-Type": "text/csv", "Content-Disposition": "attachment"}),
        (CONTENT, {**FILE, "Content-Encoding": "identity"}),
        (CHUNKED, {**FILE, "Transfer-Encoding": "Chunked"}),
    ],
)
def test_files_of_any_type(portal, b24, stored, tmp_path, body, headers):
    """A file that looks like a page or an error is a file if the answer says so, and so is a picture without a name."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    answer = Answer(body, headers=headers)
    portal.fail_next(answer)
    expected = b"hello" if body == CHUNKED else answer.body
    assert download_file(b24, url, tmp_path / "a").read_bytes() == expected


@pytest.mark.parametrize(
    ("fault", "times"), some((fault, times) for fault in sorted(set(FAULTS) - HANGING) for times in (1, 9))
)
def test_faults(portal, b24, stored, tmp_path, fault, times):
    """After any fault the file is whole, or there is an error and nothing is left."""
    row = stored(CONTENT)
    portal.fail_next(fault, times=times)
    try:
        path = download_file(b24, row["DOWNLOAD_URL"], tmp_path / "a", size=row["SIZE"])
    except SdkError:
        assert names_in(tmp_path) == []
    else:
        assert (path.read_bytes(), names_in(tmp_path)) == (CONTENT, ["a"])


@pytest.mark.parametrize(
    "fault", ["half_body", "half_body_reset", "chunked_cut", "cut_gzip", "html_502", "lost_before"]
)
def test_a_lost_answer_is_requested_again(portal, b24, stored, tmp_path, fault):
    """A download only reads, so it is repeated after its answer was lost, and begins anew."""
    url, size = stored(CONTENT)["DOWNLOAD_URL"], len(CONTENT)
    portal.fail_next(fault, times=2)
    assert download_file(b24, url, tmp_path / "a", size=size, max_size=size).read_bytes() == CONTENT


def test_a_file_that_is_smaller_when_it_is_requested_again(portal, b24, stored, tmp_path):
    """Nothing of the first answer is left in the file."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    portal.fail_next("half_body")
    portal.fail_next(Answer(b"small", headers=FILE))
    assert download_file(b24, url, tmp_path / "a").read_bytes() == b"small"


@pytest.mark.parametrize("fault", ["silent", "stall"])
def test_time_outs(portal, b24, stored, tmp_path, fault):
    """An answer that does not end is ended by the session's time-out."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    portal.fail_next(fault, times=9)
    impatient = b24.with_options(timeout=0.1, retries=RetryPolicy(attempts=1))
    with pytest.raises(AnswerLost):
        download_file(impatient, url, tmp_path / "a")
    assert names_in(tmp_path) == []


GZIPPED = gzip.compress(CONTENT) + gzip.compress(b"more")
#: A content that repeats what stands 30,000 bytes before.
FAR = b"".join(random.Random(number).randbytes(30_000) * 2 for number in range(9))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GZIPPED, CONTENT + b"more"),
        (gzip.compress(FAR), FAR),
        (gzip.compress(b""), b""),
        (GZIPPED[:-9], None),
        (b"no gzip", None),
        (zlib.compress(CONTENT), None),
        (b"", None),
    ],
    ids=["whole", "far", "empty", "cut", "damaged", "zlib", "nothing"],
)
@pytest.mark.parametrize(
    "header", [{"Content-Encoding": "gzip"}, {"Content-Encoding": "x-GZIP", "Connection": "close"}]
)
def test_compressed_answers(portal, b24, stored, tmp_path, body, expected, header):
    """A server that compresses, though it was asked not to, sends the file all the same; its cut end is noticed."""
    url = stored(b"x")["DOWNLOAD_URL"]
    portal.fail_next(Answer(body, headers={**FILE, **header}), times=9)
    if expected is None:
        with pytest.raises(AnswerLost, match="compressed answer"):
            download_file(b24, url, tmp_path / "a")
        assert names_in(tmp_path) == []
    else:
        assert download_file(b24, url, tmp_path / "a").read_bytes() == expected
    assert portal.requests[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("header", [{}, {"Connection": "close"}, {"Content-Encoding": "gzip"}])
def test_sizes(portal, b24, stored, tmp_path, header):
    """A file of another size than the given one is not kept, and neither is one over the maximum."""
    body = gzip.compress(CONTENT) if "Content-Encoding" in header else CONTENT
    url, whole = stored(b"x")["DOWNLOAD_URL"], len(CONTENT)
    for options, reason in (
        ({"size": whole - 1}, f"expected a file of {whole - 1} bytes, got"),
        ({"size": str(whole + 1)}, f"expected a file of {whole + 1} bytes, got {whole}"),
        ({"size": whole, "max_size": whole - 1}, f"more than {whole - 1} bytes; a larger max_size"),
        ({"size": whole, "max_size": 1}, "more than 1 bytes"),
    ):
        portal.fail_next(Answer(body, headers={**FILE, **header}))
        with pytest.raises(UnexpectedAnswer, match=reason):
            download_file(b24, url, tmp_path / "a", **options)
        assert names_in(tmp_path) == []
    portal.fail_next(Answer(body, headers={**FILE, **header}))
    assert download_file(b24, url, tmp_path / "a", size=whole, max_size=whole).read_bytes() == CONTENT


@needs_proc
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "the file has more than 2147483648 bytes; a larger max_size allows it"),
        ({"size": 2147483648, "max_size": 3 * 10**9}, "expected a file of 2147483648 bytes, got 2147483649"),
    ],
)
def test_sizes_are_looked_at_first(tmp_path, options, reason):
    """A file of more than 2 GiB, or of another size, is refused before any of it is received."""

    def begin(gate, connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483649\r\nContent-Type: image/png\r\n\r\n")
        gate.closed.wait(5)

    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = begin
        with pytest.raises(UnexpectedAnswer) as refused:
            download_file(b24, "/large", tmp_path / "a", **options)
        assert refused.value.description == reason
        assert opened_in(tmp_path) == []
        gate.closed.set()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://evil.example.com/rest/1/c0de/download/?token=secret", r"leads to evil\.example\.com, where"),
        ("//evil.example.com/download/?token=secret", r"leads to evil\.example\.com"),
        ("http://127.0.0.1/download/?token=secret", r"leads to 127\.0\.0\.1, where"),
        ("http://{host}@evil.example.com/?token=secret", "has a user name before its host"),
        ("http://secret@{host}/a", "has a user name"),
        (r"http://{host}\@evil.example.com/?token=secret", "has a user name|leads to|invalid"),
        ("http://{host}.evil.example.com/?token=secret", "leads to|invalid host or port"),
        ("ftp://{host}/secret", "does not start with https://"),
        ("file:///etc/secret", "does not start with https://"),
        ("https:///rest/download?token=secret", "has no host"),
        ("http://[secret", "invalid host or port"),
        ("rest/download.json?token=secret", "does not start with https://"),
        ("", "got an empty text"),
        (None, "got NoneType"),
        (False, "got bool"),
        (b"https://secret", "got bytes"),
    ],
)
def test_links_elsewhere(portal, b24, tmp_path, url, reason):
    """A link to another host, or one that is none, is refused before anything is sent, and not repeated."""
    host = portal.url.split("/")[2]
    with pytest.raises(UsageError, match=reason) as refused:
        download_file(b24, url.replace("{host}", host) if isinstance(url, str) else url, tmp_path / "a")
    assert_hidden(["secret"], refused.value)
    assert (portal.requests, names_in(tmp_path)) == ([], [])


def test_links_on_the_portal(portal, b24, stored, tmp_path):
    """A path that begins with a slash is on the portal; case, fragments and spaces do not matter."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    path = url.removeprefix(portal.url.partition("/rest/")[0])
    for number, link in enumerate((path, url.replace("http://", "HTTP://"), f"{url}#page", f"{url}&n=a é")):
        assert download_file(b24, link, tmp_path / f"{number}").read_bytes() == CONTENT


def test_no_secret_goes_out_unencrypted(tmp_path):
    """A session on https does not follow a link with http, even to the portal's own host."""
    with (
        Session("https://example.bitrix24.com/rest/1/c0dec0de/") as b24,
        pytest.raises(UsageError, match="unencrypted"),
    ):
        download_file(b24, "http://example.bitrix24.com/rest/1/c0dec0de/download/?token=x", tmp_path / "a")
    for url in ("https://example.bitrix24.com/a?b=c", "//example.bitrix24.com/a?b=c", "/a?b=c"):
        assert Link.of(b24.auth, Secret(url)).url.reveal() == "https://example.bitrix24.com/a?b=c"


@pytest.mark.parametrize(
    "options",
    [
        {"size": -1},
        {"size": True},
        {"size": "1e3"},
        {"size": 1.0},
        {"max_size": 0},
        {"max_size": None},
        {"overwrite": 1},
        {"path": None},
        {"path": b"a"},
        {"path": 5},
        {"path": "a\x00b"},
    ],
    ids=str,
)
def test_options_are_checked(portal, b24, tmp_path, options):
    """An option with another value is refused before anything is sent."""
    with pytest.raises(UsageError, match=f"{next(iter(options))}: expected "):
        download_file(b24, "/rest/download.json?token=x", **{"path": tmp_path / "a", **options})
    assert portal.requests == []


@pytest.mark.parametrize(
    "send",
    [
        lambda portal, path: download_file(portal.url, "/rest/x", path),
        lambda portal, path: upload_file(portal.url, 1, ("a", b"1")),
        lambda portal, path: download_file(portal.session(), path, f"{portal.url}download"),
    ],
)
def test_a_url_in_another_place(portal, tmp_path, send):
    """A webhook URL that is passed as the session, or a link as the path, is refused and in no frame."""
    with pytest.raises(UsageError, match="expected a ") as refused:
        send(portal, str(tmp_path / "a"))
    assert_hidden([portal.url.rstrip("/").rpartition("/")[2]], refused.value)
    assert portal.requests == []


def test_a_missing_folder(portal, b24, stored, tmp_path):
    """A folder that does not exist is the system's own error, before anything is requested."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    sent = len(portal.requests)
    with pytest.raises(FileNotFoundError):
        download_file(b24, url, tmp_path / "missing" / "a")
    assert len(portal.requests) == sent


def test_a_full_disk(b24, stored, tmp_path, monkeypatch):
    """A disk that is full is the system's own error, not one of the network, and nothing is requested again."""
    import resource

    told = []
    b24 = b24.with_options(on_request=told.append)
    row = stored(CONTENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            download_file(b24, row["DOWNLOAD_URL"], tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert names_in(tmp_path) == []
    assert [(each.method, each.http_status, each.error, each.code) for each in told] == [
        ("download", None, "OSError", None)
    ]


def test_the_rate_counts(portal, stored, tmp_path):
    """A download takes a slot of the session's rate limit and waits for it, at most as long as the session may."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    limits = LeakyBucket(capacity=2, leak_rate=0.001)
    with portal.session(limits=limits, max_wait=1, retries=RetryPolicy(attempts=1)) as b24:
        download_file(b24, url, tmp_path / "a")
        with pytest.raises(RateLimited, match="max_wait"):
            for number in range(3):
                download_file(b24, url, tmp_path / f"b{number}")
    assert "a" in names_in(tmp_path)
    assert not [name for name in names_in(tmp_path) if "part" in name]


def test_a_refusal_for_the_rate(portal, b24, stored, tmp_path):
    """A request that the portal refused for its rate is sent again."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    portal.fail_next("rate_limited", times=2)
    assert download_file(b24, url, tmp_path / "a").read_bytes() == CONTENT


def test_your_own_requests_session(portal, stored, tmp_path):
    """With http= your own session sends the request, with its headers, and follows no redirect."""
    http = requests.Session()
    http.headers["X-Mine"] = "1"
    url = stored(CONTENT)["DOWNLOAD_URL"]
    with portal.session(http=http) as b24:
        assert download_file(b24, url, tmp_path / "a").read_bytes() == CONTENT
        assert portal.requests[-1].headers["x-mine"] == "1"
        portal.fail_next(Answer("", 302, {"Location": "https://evil.example.com/"}))
        with pytest.raises(PortalMoved):
            download_file(b24, url, tmp_path / "b")


def test_what_is_sent(portal, b24, stored, tmp_path):
    """The request is a GET with the headers that a portal may want, and with no token but that of the link."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    download_file(b24, url, tmp_path / "a")
    request = portal.requests[-1]
    assert (request.verb, request.method, set(request.params)) == ("GET", "download", {"token"})
    assert request.headers["referer"] == portal.url.partition("rest/")[0]
    assert request.headers["accept"] == "*/*"
    assert {"user-agent", "accept-language", "x-request-id"} <= set(request.headers)
    assert "content-length" not in request.headers


#: Bytes of a file that is larger than what a download may take of memory.
LARGE = 32_000_000


def send_much(gate, connection):
    """Send a large file, in parts."""
    read_request(connection)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\nContent-Disposition: attachment\r\n\r\n"
    connection.sendall(head.encode())
    for _ in range(LARGE // 1_000_000):
        connection.sendall(b"x" * 1_000_000)


def test_large_files_take_no_memory(portal, tmp_path):
    """A file is written in parts: the memory that a download takes does not grow with it."""
    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = send_much
        tracemalloc.start()
        try:
            path = download_file(b24, "/large", tmp_path / "a")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert path.stat().st_size == LARGE
    assert peak < 4_000_000


class Hasty:
    """A clock on which a tenth of a second passes whenever somebody looks."""

    def __init__(self):
        self.looks = 0

    def monotonic(self):
        self.looks += 1
        return self.looks / 10

    def time(self):
        return 0.0

    def sleep(self, seconds):
        raise AssertionError("a download that was too slow is not repeated")


@pytest.mark.parametrize("reason", ["rate", "retry"])
def test_an_exception_of_on_wait(portal, stored, tmp_path, reason):
    """An exception of `on_wait` ends a download as it is, and nothing is left of the file."""
    url, error = stored(CONTENT)["DOWNLOAD_URL"], RateLimited("mine")
    limits = LeakyBucket(capacity=2, leak_rate=1.0)

    def fail(wait):
        raise error

    if reason == "retry":
        portal.fail_next("rate_limited")
    with portal.session(limits=limits, on_wait=fail) as b24, pytest.raises(RateLimited) as caught:
        for number in range(2):
            download_file(b24, url, tmp_path / str(number))
    assert caught.value is error
    assert names_in(tmp_path) == ["0"] * (reason == "rate")


def test_a_slow_file(tmp_path):
    """A file that comes too slowly for the deadline is not requested again; the message names the option."""
    with (
        Gate(0) as gate,
        Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None, clock=Hasty(), deadline=30) as b24,
    ):
        gate.mode = send_much
        with pytest.raises(AnswerLost, match=r"took more than 30 s; .* use session.with_options\(deadline") as slow:
            download_file(b24, "/large", tmp_path / "a")
        assert slow.value.http_status == 200
        assert names_in(tmp_path) == []


def test_a_slow_portal(tmp_path):
    """An answer that does not begin before the deadline is requested again, also after one that was cut."""
    clock, requests = FakeClock(), []

    def answer(gate, connection):
        requests.append(read_request(connection))
        if len(requests) == 2:
            clock.advance(10_000)
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Type: image/png\r\n\r\n"
        connection.sendall(head + b"abcd"[: len(requests)])

    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None, clock=clock) as b24:
        gate.mode = answer
        with pytest.raises(AnswerLost):
            download_file(b24.with_options(retries=RetryPolicy(attempts=3)), "/a", tmp_path / "a")
        assert len(requests) == 3
        assert download_file(b24, "/a", tmp_path / "a").read_bytes() == b"abcd"


def test_bombs_take_no_memory(portal, b24, stored, tmp_path):
    """A small body that decompresses to a very large one ends at the maximum, and takes little memory."""
    url = stored(b"x")["DOWNLOAD_URL"]
    portal.fail_next(Answer(gzip.compress(bytes(20_000_000)), headers={**FILE, "Content-Encoding": "gzip"}))
    tracemalloc.start()
    try:
        with pytest.raises(UnexpectedAnswer, match="more than 5000000 bytes"):
            download_file(b24, url, tmp_path / "a", max_size=5_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert names_in(tmp_path) == []
    assert peak < 8_000_000


def interrupt_half_way(gate, connection):
    """Send half a file, press Ctrl-C in the program that receives it, and send no more."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nContent-Disposition: attachment\r\n\r\n0123456789")
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    gate.closed.wait(5)


def test_ctrl_c(tmp_path):
    """Ctrl-C half-way leaves nothing of the file, and leaves as it is."""
    with Gate(0) as gate, Session(f"http://127.0.0.1:{gate.port}/rest/1/c0dec0de/", limits=None) as b24:
        gate.mode = interrupt_half_way
        with pytest.raises(KeyboardInterrupt):
            download_file(b24, "/file", tmp_path / "a")
        assert names_in(tmp_path) == []
        gate.closed.set()


SECRETS = ("s3cr3tt0ken", "auths3cret99")


@pytest.mark.parametrize("answer", [answer for answer, *_ in NO_FILE], ids=range(len(NO_FILE)))
def test_secrets(portal, b24, tmp_path, caplog, answer):
    """The secrets of a link are in no error, its frames or attributes, no log and no pickle, even if repeated."""
    caplog.set_level("DEBUG")
    link = f"{portal.url}download/?token=disk%7C{SECRETS[0]}%7C{quote(SECRETS[1])}&auth={SECRETS[1]}"
    if "json" in answer.headers.get("Content-Type", "json"):
        said = {"error": "X", "error_description": f"see /download?a=disk|{SECRETS[0]}|{SECRETS[1]}&b={SECRETS[1]}"}
        answer = Answer(json.dumps(said), answer.status)
    portal.fail_next(answer, times=9)
    with pytest.raises(SdkError) as failed:
        download_file(b24, link, tmp_path / "a")
    code = portal.url.rstrip("/").rpartition("/")[2]
    assert_hidden([*SECRETS, code], failed.value, caplog.records)
    assert re.search(r"GET /rest/1/\*\*\*/download/\?token=\*\*\*&auth=\*\*\* ", caplog.text)


@pytest.mark.parametrize(
    "link",
    [
        "/docs/pub/{}/default/?x=1",
        "/~{}",
        "/upload/a.png?sign={}",
        "/upload/a.png?a=1&hash={}",
        "/upload/a.png?X-Amz-Signature={}&b=2",
        "/rest/download/?token={}",
    ],
)
def test_secrets_of_other_links(portal, b24, tmp_path, caplog, link):
    """A secret in the path of a link, or under another name in its query, is in no error and no log either."""
    caplog.set_level("DEBUG")
    said = {"error": "X", "error_description": f"see {SECRETS[0] * 2}"}
    for answer in (Answer(json.dumps(said), 400), Answer(HTML, headers={"Content-Type": "text/html"})):
        portal.fail_next(answer, times=9)
        with pytest.raises(SdkError) as failed:
            download_file(b24, link.format(SECRETS[0] * 2), tmp_path / "a")
        assert_hidden([SECRETS[0]], failed.value, caplog.records)


def test_a_secret_without_a_name(portal, b24, tmp_path):
    """A query that is one word is masked where the portal repeats it."""
    portal.fail_next(Answer(json.dumps({"error": "X", "error_description": f"see {SECRETS[0]}"}), 400), times=9)
    with pytest.raises(AjaxError) as failed:
        download_file(b24, f"/download?{SECRETS[0]}", tmp_path / "a")
    assert_hidden([SECRETS[0]], failed.value)


@pytest.mark.parametrize(("length", "shown"), [(15, "k" * 15), (16, "***")])
def test_a_long_part_of_a_path(portal, b24, tmp_path, length, shown):
    """A part of a link's path with 16 characters or more may be a secret, and is masked where the portal repeats it."""
    portal.fail_next(Answer(json.dumps({"error": "X", "error_description": f"see {'k' * length}"}), 400))
    with pytest.raises(AjaxError, match=re.escape(f"see {shown}")):
        download_file(b24, f"/files/{'k' * length}/a.png", tmp_path / "a")


def test_what_is_counted(portal, tmp_path):
    """Each request for a file is counted and told to `on_request`, retries included; only the link is a command."""
    told = []
    with portal.session(on_request=told.append) as b24:
        root = b24.call("disk.storage.get", {"id": 1}).data["ROOT_OBJECT_ID"]
        url = upload_file(b24, root, ("a.bin", CONTENT))["DOWNLOAD_URL"]
        portal.fail_next("half_body")
        download_file(b24, url, tmp_path / "a")
        counted = b24.statistics
        assert (counted.requests, counted.retries, sum(counted.commands.values())) == (5, 1, 2)
    seen = [
        (request.method, request.commands, request.attempt, request.error, request.http_status) for request in told[1:]
    ]
    assert seen == [
        ("disk.folder.uploadfile", 1, 1, None, 200),
        ("disk.folder.uploadfile", 0, 1, None, 200),
        ("download", 0, 1, "AnswerLost", 200),
        ("download", 0, 2, None, 200),
    ]
    assert_hidden([url.partition("token=")[2], portal.url.rstrip("/").rpartition("/")[2]], others=told)


def test_on_request_that_raises(portal, stored, tmp_path):
    """An exception of `on_request` leaves as it is, with no secret in its frames; nothing of the file is left."""
    url = stored(CONTENT)["DOWNLOAD_URL"]

    def stop(request):
        raise KeyError(request.method)

    with portal.session(on_request=stop) as b24, pytest.raises(KeyError, match="download") as raised:
        download_file(b24, url, tmp_path / "a")
    assert_hidden([url.partition("token=")[2], portal.url.rstrip("/").rpartition("/")[2]], raised.value)
    assert names_in(tmp_path) == []


def test_what_is_overwritten(b24, stored, tmp_path):
    """A link is replaced, not what it leads to; a pipe, a device or a folder is never replaced."""
    url = stored(CONTENT)["DOWNLOAD_URL"]
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("mine")
    download_file(b24, url, tmp_path / "link", overwrite=True)
    assert ((tmp_path / "mine").read_bytes(), (tmp_path / "link").read_bytes()) == (b"mine", CONTENT)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder" / "a.bin").mkdir(parents=True)
    for path in (tmp_path / "pipe", tmp_path / "folder"):
        with pytest.raises(FileExistsError, match="not a file, so it is not replaced"):
            download_file(b24, url, path, overwrite=True)
    assert (tmp_path / "pipe").is_fifo()
    assert names_in(tmp_path / "folder") == ["a.bin"]
