"""Files in the params of a call: their forms, and what is refused."""

import base64
import io
import os
from pathlib import Path

import pytest
from canary import assert_hidden
from drawing import drawn, together
from hypothesis import given
from hypothesis import strategies as st

from b24batch import UsageError
from b24batch.files import file_data, file_value


def test_a_path(tmp_path, monkeypatch):
    """The file at a path, as text or as an object, is its name and its content in base64."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "contract.pdf"
    path.write_bytes(b"\x00\xff" * 3)
    path.with_name("ab").write_bytes(b"\x00")
    assert file_value(path) == file_value(str(path)) == ["contract.pdf", "AP8A/wD/"]
    assert file_value("ab") == ["ab", "AA=="]
    assert file_data(path) == {"fileData": ["contract.pdf", "AP8A/wD/"]}


@drawn(100)
@given(st.binary(min_size=1), st.sampled_from([bytes, bytearray, memoryview]))
def test_a_content(content, kind):
    """A name with a content in bytes is that name and the content, which comes back whole."""
    name, encoded = file_value(("счёт 1.pdf", kind(content)))
    assert (name, base64.b64decode(encoded, validate=True)) == ("счёт 1.pdf", content)


@pytest.mark.parametrize("method", ["disk.folder.uploadfile", "disk.storage.uploadfile"])
@pytest.mark.parametrize("batch", [True, False])
def test_it_arrives_whole(portal, b24, method, batch):
    """All 256 bytes arrive in a batch and in a call: no ``+`` of the base64 is lost."""
    params = {"id": 1, "data": {"NAME": "a.bin"}, "fileContent": file_value(("a.bin", bytes(range(256)) * 3))}
    row = (b24.batch([(method, params)]).data[0]) if batch else b24.call(method, params).data
    assert row["SIZE"] == "768"


class BytesPath(os.PathLike):
    """A path that is bytes inside."""

    def __fspath__(self):
        return b"a.txt"


@together(
    ("source", "reason"),
    [
        (BytesPath(), r"expected the path of a file or \(name, content\), got BytesPath$"),
        (b"x", r"expected the path of a file or \(name, content\), got bytes"),
        (io.BytesIO(b"x"), r"got BytesIO; of an open file pass \(name, file.read\(\)\)"),
        (("a.txt", io.BytesIO(b"x")), r"got \(name, BytesIO\); of an open file"),
        (("a.txt", "text"), r"got \(name, str\)"),
        (("a.txt", None), r"got \(name, NoneType\)"),
        (("a.txt",), "got tuple"),
        (["a.txt", b"x"], "got list"),
        ("https://example.com/rest/1/code/download/?token=x", "got a URL; download the file first$"),
        (Path("HTTP://example.com/rest/1/code/"), "got a URL; download the file first$"),
        (None, "got NoneType"),
        ((None, b"x"), "got bytes"),
        ((7, b"x"), "expected the name of a file, .* got 7"),
        *(
            ((name, b"x"), "expected the name of a file, without slashes and control characters, got ")
            for name in ("", ".", "..", "a/b", "../a", "a\\b", "a\nb", "a\x00", "a\x1f", "a\x7f", "\ud800", "\udfff")
        ),
        (("a.txt", b""), "'a.txt' is empty, and the portal ignores an empty file"),
    ],
)
def test_what_is_refused(source, reason):
    """Anything else is refused; the message says what to pass, and does not print a content."""
    with pytest.raises(UsageError, match=reason):
        file_value(source)


@pytest.mark.parametrize("make", [file_value, file_data])
def test_a_url_is_not_shown(make):
    """A URL that is passed as a file, and may have a token, is in no frame of the error."""
    with pytest.raises(UsageError, match="got a URL") as refused:
        make("https://example.com/rest/1/s3cr3tc0de/download/?token=x")
    assert_hidden(["s3cr3tc0de"], refused.value)


def test_paths_without_a_file(tmp_path):
    """A path without a file is the system's own error; an empty file and a folder are errors, too."""
    with pytest.raises(FileNotFoundError):
        file_value(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        file_data(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(UsageError, match="'empty' is empty"):
        file_value(tmp_path / "empty")


PAIR, DATA = ["a.bin", "/w=="], {"fileData": ["a.bin", "/w=="]}
VALUE, MADE_DATA = file_value(("a.bin", b"\xff")), file_data(("a.bin", b"\xff"))
#: A field of each form: the method, the path of the field in its params, what is sent, and what the portal is to see.
FIELDS = [
    ("crm.item.add", "fields ufCrmFile", VALUE, PAIR),
    ("user.add", "PERSONAL_PHOTO", VALUE, PAIR),
    ("lists.element.add", "FIELDS PROPERTY_7", VALUE, PAIR),
    ("entity.item.add", "DETAIL_PICTURE", VALUE, PAIR),
    ("disk.folder.uploadfile", "fileContent", VALUE, PAIR),
    ("catalog.productImage.add", "fileContent", VALUE, PAIR),
    ("crm.timeline.comment.add", "fields FILES", [VALUE, VALUE], [PAIR, PAIR]),
    ("log.blogpost.add", "FILES", [VALUE, VALUE], [PAIR, PAIR]),
    *((f"crm.{kind}.add", "fields UF_CRM_FILE", MADE_DATA, DATA) for kind in ("lead", "deal", "contact", "company")),
    ("catalog.product.add", "fields previewPicture", MADE_DATA, DATA),
    ("catalog.product.add", "fields property7", [{"value": MADE_DATA}], [{"value": DATA}]),
    ("tasks.task.add", "fields UF_TASK_WEBDAV_FILES", ["n123"], ["n123"]),
    ("telephony.externalCall.attachRecord", "FILE_CONTENT", VALUE[1], PAIR[1]),
]


@together(("method", "path", "made", "expected"), FIELDS)
def test_each_form_of_a_field(portal, b24, method, path, made, expected):
    """A portal receives each form of a file in the shape that the method reads, in a call and in a batch."""
    received = []
    portal.method(method)(received.append)
    params = made
    for name in reversed(path.split()):
        params = {name: params}
    b24.call(method, params)
    b24.batch([(method, params)]).raise_for_errors()
    assert len(received) == 2
    for value in received:
        for name in path.split():
            value = value[name]
        assert listed(value) == expected


def listed(value):
    """A value as PHP's ``array_values`` sees it: a map with the keys 0, 1 ... is a list."""
    if isinstance(value, dict) and [*map(str, value)] == [*map(str, range(len(value)))]:
        return [listed(each) for each in value.values()]
    if isinstance(value, dict):
        return {name: listed(each) for name, each in value.items()}
    return [listed(each) for each in value] if isinstance(value, list) else value
