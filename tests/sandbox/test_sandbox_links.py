"""Signed links of the sandbox, looked at with plain HTTP: to upload a file to, and to download one from."""

from urllib.parse import quote

import pytest

FORM = '--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n{content}\r\n--b--\r\n'
ROOT = 1


def target(url):
    """The path and the query of a link."""
    return "/" + url.split("/", 3)[3]


def upload(wire, link, *, name="a.txt", content="hello", field="file"):
    body = FORM.format(field=field, name=name, content=content).encode()
    return wire.send("POST", target(link), body, Content_Type="multipart/form-data; boundary=b")


def make_link(wire, **params):
    answer = wire.call("disk.folder.uploadfile", {"id": ROOT, **params}).result
    assert set(answer) == {"field", "uploadUrl"}
    return answer["uploadUrl"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [("a.txt", "a.txt"), ("C:\\\\dir\\\\ä.txt", "ä.txt"), ("../b/c.txt", "c.txt"), ('q\\".txt', 'q".txt')],
)
def test_upload(portal, wire, name, stored):
    """A form is stored under the last part of its file's name, and answered with the row, without a time block."""
    answer = upload(wire, make_link(wire), name=name)
    assert set(answer.json) == {"result"}
    assert (answer.result["NAME"], answer.result["SIZE"], answer.result["PARENT_ID"]) == (stored, "5", "1")
    assert portal.executed[-1].method == "upload"


def test_download(portal, wire):
    """The link of a file answers its content as an attachment with its name in both forms."""
    row = upload(wire, make_link(wire), name="ä b.txt").result
    answer = wire.send("GET", target(row["DOWNLOAD_URL"]))
    assert (answer.status, answer.text) == (200, "hello")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-disposition"].endswith(f"; filename*=utf-8''{quote('ä b.txt')}")
    assert portal.executed[-1].method == "download"
    assert "DOWNLOAD_URL" not in wire.call("disk.folder.get", {"id": ROOT}).result


def test_names_that_are_taken(wire):
    """Without generateUniqueName a name that is taken is refused; the answer comes from the link, not before."""
    first, second = make_link(wire), make_link(wire, generateUniqueName=True)
    assert upload(wire, first).result["NAME"] == "a.txt"
    assert upload(wire, first).json["error"] == "DISK_OBJ_22000"
    assert upload(wire, second).result["NAME"] == "a (1).txt"
    assert upload(wire, make_link(wire, id=99)).json["error"] == "ERROR_NOT_FOUND"


@pytest.mark.parametrize("options", [{"field": "other"}, {"name": ""}])
def test_forms_without_a_file(wire, options):
    """A form without the file is refused."""
    assert upload(wire, make_link(wire), **options).json["error"] == "DISK_BASE_SERVICE_22001"


def test_other_links(portal, wire):
    """A link that was changed, or is used with other credentials, is refused, and so is no link at all."""
    token = portal.issue_token()["access_token"]
    link = upload(wire, make_link(wire)).result["DOWNLOAD_URL"]
    head, _, tail = target(link).partition("token=")
    others = [
        f"{head}token=x{tail}",
        f"{head}token={tail[:-4]}",
        head,
        f"{head}token",
        f"/rest/download.json?auth={token}&token={tail}",
    ]
    for other in others:
        answer = wire.send("GET", other)
        assert (answer.status, answer.json["error"]) == (403, "ACCESS_DENIED")
    assert wire.send("GET", f"/rest/download.json?token={tail}").json["error"] == "NO_AUTH_FOUND"
    assert wire.batch({"a": "download?token=x"})["result_error"]["a"]["error"] == "ERROR_BATCH_METHOD_NOT_ALLOWED"


def test_links_for_a_token(portal, wire):
    """A method that is called with a token makes links with that token."""
    token = portal.issue_token()["access_token"]
    row = upload(wire, make_link(wire)).result
    link = wire.call("disk.file.get", {"id": row["ID"], "auth": token}).result["DOWNLOAD_URL"]
    assert link.startswith(f"{portal.url.partition('/rest/')[0]}/rest/download.json?auth={token}&token=disk%7C")
    assert wire.send("GET", target(link)).text == "hello"


@pytest.mark.parametrize("content", [["a.txt", ""], "", ["a.txt"], ["a.txt", "====="]])
def test_no_content(wire, content):
    """A file of no bytes in the params is not stored."""
    params = {"id": ROOT, "data": {"NAME": "a.txt"}, "fileContent": content}
    answer = wire.call("disk.folder.uploadfile", params).json
    assert (answer["error"], answer["error_description"]) == ("", "Could not save file.")
