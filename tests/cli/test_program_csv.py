"""Tables: a command for each row of a CSV file, and a list as CSV for spreadsheets."""

from __future__ import annotations

import codecs
import csv
import io
import shlex
import signal
import threading

import pytest
from shell import against, outcomes, run

from b24batch import UsageError
from b24batch.cli.mapping import ColumnMap
from b24batch.sandbox import Page

TABLE = "id,name,price\n1,First,007\n2,Second,1e5\n"
COLUMNS = [f"c{n}" for n in range(13)]


@pytest.fixture
def file(tmp_path):
    """Return what writes a table and returns its path."""

    def write(content, encoding="utf-8"):
        path = tmp_path / "deals.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def go(portal):
    """Run a table, whose commands return their params."""
    return lambda path, *options, **more: against(
        portal.url, "run", "--csv", path, "--method", "echo", *options, **more
    )


def data(ended):
    assert ended.returncode == 0
    return [row["data"] for row in outcomes(ended.stdout)]


def test_a_row_is_a_command(portal, file):
    """Each row is a command, with its columns as fields and the line as its number; the key column has its name."""
    options = ["--method", "crm.deal.add", "--map", "TITLE=name", "--map", "OPPORTUNITY=price", "--key", "id"]
    ended = against(portal.url, "run", "--csv", file(TABLE), *options)
    rows = [(row["line"], row["name"], row["status"]) for row in outcomes(ended.stdout)]
    assert rows == [(2, "1", "ok"), (3, "2", "ok")]
    fields = [executed.params["fields"] for executed in portal.executed]
    assert fields == [{"TITLE": "First", "OPPORTUNITY": "007"}, {"TITLE": "Second", "OPPORTUNITY": "1e5"}]
    assert ended.stderr == "b24batch: 2 commands: 2 ok\n"


@pytest.mark.parametrize(
    ("pairs", "params"),
    [
        (["TITLE=name"], {"fields": {"TITLE": "First"}}),
        (["fields[TITLE]=name"], {"fields": {"TITLE": "First"}}),
        ([".id=id", "TITLE=name"], {"id": "1", "fields": {"TITLE": "First"}}),
        (["fields[ID]=id"], {"fields": {"ID": "1"}}),
        (
            ["fields[PHONE][0][VALUE]=name", "fields[PHONE][0][TYPE]=id"],
            {"fields": {"PHONE": [{"VALUE": "First", "TYPE": "1"}]}},
        ),
        (["select[]=id", "select[]=name"], {"select": ["1", "First"]}),
        (["filter[>=ID]=id"], {"filter": {">=ID": "1"}}),
        (["A=a=b"], {"fields": {"A": "odd"}}),
        ([".TAGS[]=name"], {"TAGS": ["First"]}),
        (["arFields[A]=name"], {"arFields": {"A": "First"}}),
    ],
)
def test_targets(pairs, params):
    """A plain name is a field, a name with brackets is the whole key, and a dot stands before a parameter."""
    columns = ColumnMap.read("echo", [], pairs, None)
    assert columns.make_command({"id": "1", "name": "First", "a=b": "odd"}).params == params


@pytest.mark.parametrize("text", ["007", "1e5", "true", "null", "", " x ", "2026-01-01", "$result[0]", 'a "b"\n', "№"])
def test_text_stays_text(go, file, text):
    """No cell becomes a number, a date or anything else: its text arrives as it is."""
    table = io.StringIO()
    csv.writer(table).writerows([["id", "name"], ["1", text]])
    assert data(go(file(table.getvalue()), "--map", "A=name")) == [{"fields": {"A": text}}]


def test_constants(go, file):
    """key=value is the same in every row, written as for `call`."""
    ended = go(file(TABLE), "entityTypeId=2", "--map", "title=name", "fields[opened]=Y")
    assert data(ended)[1] == {"entityTypeId": "2", "fields": {"opened": "Y", "title": "Second"}}


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (codecs.BOM_UTF8 + "имя\nЮля\n".encode(), []),
        (codecs.BOM_UTF8 + "имя\nЮля\n".encode(), ["--encoding", "UTF-8"]),
        ("имя\nЮля\n".encode("utf-16"), []),
        (codecs.BOM_UTF16_BE + "имя\r\nЮля\r\n".encode("utf-16-be"), []),
        ("имя\nЮля\n".encode("cp1251"), ["--encoding", "cp1251"]),
        ("имя;x\nЮля;1\n".encode(), ["--delimiter", ";"]),
        ("имя\tx\nЮля\t1\n".encode(), ["--delimiter", "tab"]),
        ("имя\tx\nЮля\t1\n".encode(), ["--delimiter", "\\t"]),
        (codecs.BOM_UTF16_LE + "имя\nЮля\n".encode("utf-16-le"), ["--encoding", "utf-16"]),
        (codecs.BOM_UTF16_LE + "имя\nЮля\n".encode("utf-16-le"), ["--encoding", "UTF-16LE"]),
        ("имя\nЮля\n".encode("utf-16-le"), ["--encoding", "UTF-16LE"]),
        ("\n\nимя\n\nЮля\n\n".encode(), []),
        ("имя,x\n,\nЮля,1\n , \n,,,\n".encode(), []),
        ("имя\rЮля\r".encode(), []),
    ],
)
def test_encodings_and_delimiters(go, file, content, options):
    """A byte order mark says the encoding, --encoding names another; cells end where --delimiter says."""
    assert data(go(file(content), "--map", "TITLE=имя", *options)) == [{"fields": {"TITLE": "Юля"}}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1: expected a header with the names of the columns, got an empty file"),
        ("id,nmae\n1,x\n", "line 1: has no column 'name', only 'id', 'nmae'"),
        ("id;name\n1;x\n", "line 1: has no column 'name', only 'id;name': try --delimiter ';'"),
        ("id\tname\n", "line 1: has no column 'name', only 'id\\tname': try --delimiter tab"),
        ("id,name,name\n1,x,y\n", "line 1: has the column 'name' 2 times"),
        ("id,name\n1,x\n2\n", "line 3: has 1 cell, but the header has 2 cells"),
        ('id,name\n1,"a\nb"\n\n2,x,y\n', "line 5: has 3 cells, but the header has 2 cells"),
        ("id,name\n1,x\n2,y\n1,z\n", "line 4: the key '1' is in line 2 already"),
        ("id,name\n1,x\n,y\n", "line 3: the key column 'id' is empty"),
        ('id,name\n1,x\n2,"y\n', "line 3: is not CSV: unexpected end of data"),
        ('id,name\n1,"x"y\n', "line 2: is not CSV: ',' expected after '\"'"),
        (b"id,name\n1,x\n2,\xff\n", "line 3: is not utf-8; name its encoding: --encoding cp1251"),
        (
            ",".join(COLUMNS),
            f"line 1: has no column 'name', only {', '.join(map(repr, COLUMNS[:10]))} and 3 more",
        ),
        (b"PK\x03\x04\x14\0", "the table is a workbook or a zip archive: save the sheet as CSV"),
        (b"\x1f\x8b\x08\0", "the table is compressed: gunzip it"),
    ],
)
def test_tables_that_are_refused(portal, go, file, content, reason):
    """The whole table is checked first: what is wrong has its line number, and nothing is sent."""
    ended = go(file(content), "--map", "TITLE=name", "--map", "ORIGIN_ID=id", "--key", "id", "--chunk-size", "1")
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert ended.stderr == f"b24batch: {reason}\n"


@pytest.mark.parametrize(
    ("content", "name", "encoding"),
    [
        ("\ufeffid,имя\n1,Юля\n".encode(), "utf-8", "cp1251"),
        ("\ufeffid,имя\n1,Юля\n".encode(), "utf-8", "latin-1"),
        ("\ufeffid,имя\n1,Юля\n".encode(), "utf-8", "utf-16"),
        ("\ufeffid,имя\n1,Юля\n".encode("utf-16-le"), "utf-16", "utf-8"),
        ("\ufeffid,имя\n1,Юля\n".encode("utf-16-be"), "utf-16", "koi8-r"),
    ],
)
def test_a_mark_and_another_encoding(portal, go, file, content, name, encoding):
    """A table whose byte order mark says one encoding is not read in another: its texts would be wrong."""
    ended = go(file(content), "--map", "A=id", "--encoding", encoding)
    assert (ended.returncode, portal.requests) == (2, [])
    assert f"b24batch: the table begins with the byte order mark of {name}: omit --encoding {encoding}" in ended.stderr


def test_a_table_in_another_encoding_than_the_one_named(go, file):
    """Who named an encoding is not told to name one."""
    ended = go(file("имя\nЮля\n".encode("cp1251")), "--map", "A=имя", "--encoding", "ascii")
    assert ended.stderr == "b24batch: line 1: is not ascii\n"


def test_a_long_cell(go, file):
    """A cell may be as long as a file in base64 is."""
    ended = go(file(f"name\n{'x' * 200_000}\n"), "--map", "fields[PHOTO][fileData][1]=name")
    assert data(ended) == [{"fields": {"PHOTO": {"fileData": {"1": "x" * 200_000}}}}]


def test_a_table_from_standard_input(portal, go):
    """Standard input can be a table as well, and is checked as a whole before anything is sent."""
    assert data(go("-", "--map", "A=name", stdin=TABLE))[1] == {"fields": {"A": "Second"}}
    sent = len(portal.requests)
    assert go("-", "--map", "A=name", "--key", "id", stdin=f"{TABLE}1,x,y\n").returncode == 2
    assert len(portal.requests) == sent


@pytest.mark.parametrize("named", [[], ["--key", "id"]])
def test_text_like_a_reference_is_found_first(portal, go, file, named):
    """A cell that looks like a reference to an earlier row is found before anything is sent, far down the table too."""
    path = file("\n".join(["name,id", *(f"n{n},{n}" for n in range(9)), "$result[8][ID],9"]))
    ended = go(path, "--map", "A=name", "--chunk-size", "2", *named)
    assert (ended.returncode, ended.stdout, portal.requests) == (2, "", [])
    assert ended.stderr.startswith("b24batch: line 11: fields.A is '$result[8][ID]', which would be sent as text: ")
    assert go(path, "--map", "A=name", "--from", "11").returncode == 0
    assert go(path, "--map", "A=name", "--limit", "9").returncode == 0


def test_where_a_table_goes_on(portal, go, file):
    """A run that ends early proposes a command that sends the rest of the table; each row is sent once."""

    @portal.method("echo")
    def press(params):
        if params["fields"]["A"] == "n4":
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    path = file("\n".join(["name;id", *(f"n{n};{n}" for n in range(9))]))
    options = ["--map", "A=name", "--key", "id", "--delimiter", ";", "--chunk-size", "2", "--limit", "8"]
    ended = go(path, "b=x y", *options)
    assert ended.returncode == 130
    way, _ = ended.stderr.splitlines()
    assert "lines up to 7 have an outcome; nothing after that was sent; continue with: b24batch run " in way
    proposed = shlex.split(way.partition("continue with: b24batch ")[2])
    assert against(portal.url, *proposed).returncode == 0
    assert [executed.params["fields"]["A"] for executed in portal.executed] == [f"n{n}" for n in range(8)]
    assert {executed.params["b"] for executed in portal.executed} == {"x y"}


@pytest.mark.parametrize(
    ("pairs", "constants", "reason"),
    [
        (["TITLE"], [], "--map: expected FIELD=COLUMN, such as TITLE=name, got 'TITLE'"),
        (["TITLE="], [], "expected FIELD=COLUMN"),
        (["=name"], [], "expected FIELD=COLUMN"),
        (["[A]=name"], [], "expected FIELD=COLUMN"),
        (["a[b=name"], [], "expected FIELD=COLUMN"),
        (["id=id"], [], "write .id=id for the parameter id, or fields[id]=id for the field"),
        (["entityTypeId=id"], [], "write .entityTypeId=id for the parameter"),
        (
            ["PHONE[0][VALUE]=x"],
            [],
            "write .PHONE[0][VALUE]=x for the parameter PHONE, or fields[PHONE][0][VALUE]=x",
        ),
        (["TAGS[]=x"], [], "write .TAGS[]=x for the parameter TAGS, or fields[TAGS][]=x for the field"),
        (["A=x", "A=y"], [], "duplicate key: 'fields[A]=y'"),
        (["A=x", "fields[A][B]=y"], [], "has a value already"),
        (["A=x"], ["fields[A]=y"], "duplicate key"),
        (["A=x"], ["title"], "expected key=value"),
    ],
)
def test_maps_that_are_refused(pairs, constants, reason):
    """A pair that is none, that could mean two things, or that sets a parameter twice is refused."""
    with pytest.raises(UsageError) as refusal:
        ColumnMap.read("echo", constants, pairs, None)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "ID,NAME\r\n1,Юля\r\n"),
        (["--delimiter", ";"], "ID;NAME\r\n1;Юля\r\n"),
        (["--delimiter", "tab", "--bom"], "\ufeffID\tNAME\r\n1\tЮля\r\n"),
        (["--bom"], "\ufeffID,NAME\r\n1,Юля\r\n"),
    ],
)
def test_a_list_for_a_spreadsheet(portal, options, text):
    """--delimiter and --bom make a table that the spreadsheet of this country opens."""
    portal.method("row.list")(lambda params: [{"ID": "1", "NAME": "Юля"}])
    ended = against(portal.url, "list", "row.list", "--paging", "whole", "--csv", *options)
    assert ended.stdout == text


def test_cells_are_as_the_portal_has_them(portal):
    """No text is changed, also where a spreadsheet would see a formula; rows may differ in their keys."""
    portal.method("row.list")(
        lambda params: [{"ID": "1", "A": "=1+1"}, {"ID": "2", "B": ["-1", {"C": None}], "A": None}]
    )
    ended = against(portal.url, "list", "row.list", "--paging", "whole", "--csv")
    assert ended.stdout == 'ID,A,B\r\n1,=1+1,\r\n2,,"[""-1"", {""C"": null}]"\r\n'


@pytest.mark.parametrize(
    ("row", "got"), [("ab", "'ab'"), (7, "7"), (None, "null"), (True, "true"), ("", "''"), ([1, 2], "[1, 2]")]
)
def test_a_row_without_columns(portal, row, got):
    """A row that is no object is refused as a table, and written as JSON; the rows before it are written."""
    portal.method("row.list")(
        lambda params: Page([{"ID": "1"}] if params.start == 0 else [row], next=50 - params.start or None, total=51)
    )
    ended = against(portal.url, "list", "row.list", "--paging", "start", "--csv")
    assert (ended.returncode, ended.stdout) == (2, "ID\r\n1\r\n")
    incomplete, reason = ended.stderr.splitlines()
    assert incomplete == "b24batch: the list is incomplete: it ended after 1 row"
    assert reason == f"b24batch: --csv: expected rows with the names of columns, got {got}; omit --csv"


def test_an_empty_row(portal):
    """PHP writes an object without keys as an empty list: a row of empty cells."""
    portal.method("row.list")(lambda params: [[], {"ID": "1", "A": "x"}])
    assert against(portal.url, "list", "row.list", "--paging", "whole", "--csv").stdout == "ID,A\r\n,\r\n1,x\r\n"


def test_an_empty_list_has_no_mark(portal):
    """A list without rows is an empty output, also with --bom."""
    portal.method("row.list")(lambda params: [])
    assert against(portal.url, "list", "row.list", "--paging", "whole", "--csv", "--bom").stdout == ""


def test_a_list_comes_back_as_it_went(portal, file):
    """What list --csv --bom has written, run --csv reads: the columns, the encoding, the line ends in cells."""
    portal.method("row.list")(lambda params: [{"ID": "1", "NAME": 'a;"b"\nЮля'}])
    options = ["--csv", "--bom", "--delimiter", ";"]
    table = against(portal.url, "list", "row.list", "--paging", "whole", *options).stdout
    ended = against(portal.url, "run", file(table), "--csv", "--delimiter", ";", "--method", "echo", "--map", "A=NAME")
    assert data(ended) == [{"fields": {"A": 'a;"b"\nЮля'}}]


def test_progress_of_a_table(file):
    """The total of a table is known, as is that of a part of it."""
    path = file("name\n" + "x\n" * 9)
    for options, total in (([], 9), (["--from", "9"], 2), (["--limit", "4"], 4), (["--from", "9", "--limit", "4"], 2)):
        arguments = ["--csv", "--method", "crm.deal.add", "--map", "TITLE=name", "--sandbox", "--progress", *options]
        ended = run("run", path, *arguments)
        assert f"0 of {total}" in ended.stderr
        assert f"{total} commands: {total} ok" in ended.stderr
