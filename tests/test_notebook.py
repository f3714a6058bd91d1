"""Notebooks: the tables that results and sessions show there, and records for pandas."""

import json
import pickle
import re
from html.parser import HTMLParser

import pytest

from b24batch import AjaxError, AjaxResult, AnswerLost, Command, LeakyBucket, ReferenceMissed, Result, Session
from b24batch.sandbox import PortalError

MARKUP = """<script>alert("1 & 2")</script><b onclick='x'>"""
CODE = "k7secretcode"
REST = "all are in its .rows, and .to_records() makes a table of them"

NOT_FOUND = 'Method not found! The sandbox lacks it: add it with @portal.method("no.such.method")'


class Table(HTMLParser):
    """What a browser would see: the elements, and the texts of each row."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.styles, self.rows, self.texts, self.open = set(), set(), [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.open.append(tag)
        self.styles.update(value for name, value in attributes if name == "style")
        assert {name for name, _ in attributes} <= {"style", "scope"}
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.texts.append(data)


def table(thing):
    shown = Table(thing._repr_html_())
    assert shown.open == []
    return shown


def rows_of(*statuses):
    error = AjaxError("Field is wrong.", code="WRONG", method="echo")
    return [
        AjaxResult(
            Command("echo"), status, error=error if status == "failed" else None, data=n if status == "ok" else None
        )
        for n, status in enumerate(statuses)
    ]


def test_a_result(b24):
    """A result is a table of its commands, errors first, then what was skipped, with the counts above it."""
    shown = table(b24.batch([("echo", {"a": 1}), ("no.such.method",), ("echo",)]))
    assert shown.texts == ["3 commands: 1 ok, 1 failed, 1 skipped"]
    assert shown.rows == [
        ["command", "method", "status", "value or error"],
        ["1", "no.such.method", "failed", f"ERROR_METHOD_NOT_FOUND: {NOT_FOUND}"],
        ["2", "echo", "skipped", ""],
        ["0", "echo", "ok", "{'a': '1'}"],
    ]


def test_names(b24):
    """Named commands show their names, others their positions."""
    assert [row[0] for row in table(b24.batch({"first": ("echo",), "last": ("echo",)})).rows[1:]] == ["first", "last"]
    assert [row[0] for row in table(b24.batch([Command("echo", name="mine"), ("echo",)])).rows[1:]] == ["mine", "1"]


@pytest.mark.parametrize(
    ("statuses", "shown_rows", "texts"),
    [
        (["ok"], 1, ["1 command: 1 ok"]),
        (["ok"] * 20, 20, ["20 commands: 20 ok"]),
        (["ok"] * 21, 20, ["21 commands: 21 ok", f"1 more left out: 1 ok; {REST}"]),
        (
            ["ok"] * 100 + ["failed"] * 15 + ["skipped"] * 10,
            20,
            ["125 commands: 100 ok, 15 failed, 10 skipped", f"82 more left out: 82 ok; {REST}"],
        ),
        ([], 0, ["0 commands: none"]),
    ],
)
def test_twenty_rows(statuses, shown_rows, texts):
    """At most 20 rows are shown, and a line says what is left out and where it is."""
    shown = table(Result(rows_of(*statuses), False, []))
    assert (len(shown.rows) - 1, shown.texts) == (shown_rows, texts)


def test_errors_are_not_hidden_by_the_many(b24):
    """The one error of a long run is its first row."""
    calls = [("echo",)] * 149 + [("no.such.method",)]
    assert table(b24.batch_by_chunk(calls)).rows[1][:3] == ["149", "no.such.method", "failed"]


def named_rows(statuses, method="crm.deal.add"):
    """Rows of commands named order-0, order-1 …, with the errors of their statuses."""
    errors = {"unknown": AnswerLost("the answer was lost"), "failed": AjaxError("Field is wrong.", code="WRONG")}
    return [
        AjaxResult(Command(method, name=f"order-{n}"), status, error=errors.get(status), data=1)
        for n, status in enumerate(statuses)
    ]


def test_equal_errors_are_one_row():
    """Commands with equal errors, and the skipped ones, share a row, so that the one error beside them is seen."""
    rows = named_rows(["ok"] * 50 + ["unknown"] * 50 + ["ok"] * 3 + ["failed"] + ["skipped"] * 46)
    shown = table(Result(rows, False, [])).rows
    assert shown[1] == [
        "50 commands, order-50 to order-99",
        "crm.deal.add",
        "unknown",
        "ANSWER_LOST: the answer was lost",
    ]
    assert shown[2] == ["order-103", "crm.deal.add", "failed", "WRONG: Field is wrong."]
    assert shown[3] == ["46 commands, order-104 to order-149", "crm.deal.add", "skipped", ""]
    assert [row[0] for row in shown[4:]] == [f"order-{n}" for n in range(17)]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        ([0, 1], "2 commands, order-0 to order-1"),
        ([0, 2, 3, 4], "4 commands, order-0, order-2 to order-4"),
        ([1, 3, 5], "3 commands, order-1, order-3, order-5"),
        ([1, 3, 5, 7], "4 commands, order-1, order-3, order-5, ..."),
    ],
)
def test_ranges_of_names(places, names):
    """A range of names has an error at every place in it; at most three are listed."""
    rows = named_rows(["failed" if n in places else "ok" for n in range(9)])
    assert table(Result(rows, False, [])).rows[1][0] == names


def test_different_errors_are_different_rows():
    """Another status, class, code or description is another row; other methods are listed in one."""
    errors = [AjaxError("a", code="A"), AjaxError("b", code="A"), AjaxError("a", code="B"), AnswerLost("a", code="A")]
    rows = [AjaxResult(Command("echo"), "failed", error=error) for error in errors * 2]
    rows.append(AjaxResult(Command("echo"), "unknown", error=errors[-1]))
    assert len(table(Result(rows, False, [])).rows) == 6
    methods = [*named_rows(["failed"], "a.b"), *named_rows(["failed"], "c.d"), *named_rows(["failed"], "a.b")]
    assert table(Result(methods, False, [])).rows[1][1] == "a.b, c.d"
    wrong = [AjaxResult(Command("echo"), "ok", data=n, error=ReferenceMissed("nothing there")) for n in range(30)]
    assert len(table(Result(wrong, False, [])).rows) == 2


def test_rows_of_a_slice(b24):
    """A slice, and the rows of a status, are lists that show themselves as tables with their places in the run."""
    result = b24.batch_by_chunk([("echo", {"n": n}) for n in range(30)] + [("no.such.method",), ("echo",)])
    assert table(result[10:20]).texts == ["10 commands: 10 ok"]
    assert [row[0] for row in table(result[10:20]).rows[1:]] == [str(n) for n in range(10, 20)]
    assert [row[0] for row in table(result[::-10]).rows[1:]] == ["31", "21", "11", "1"]
    assert table(result.by_status("failed")).rows[1][:2] == ["30", "no.such.method"]
    part = result[10:20]
    assert isinstance(part, list)
    assert part == result.rows[10:20]
    assert type(pickle.loads(pickle.dumps(part))) is list
    part.reverse()
    part.append(result[0])
    assert [row[0] for row in table(part).rows[1:]][:2] == ["19", "18"]
    assert result[40:] == []
    assert table(result[40:]).texts == ["0 commands: none"]


def test_user_fields_are_shown(portal, b24):
    """Of many fields the first ten are shown, and the user's own before others, also in an object of their own."""
    fields = {f"F{n}": n for n in range(50)} | {"UF_CRM_1": "mine"} | {f"G{n}": n for n in range(9)} | {"ufCrm2": 2}
    portal.method("legacy")(lambda params: fields)
    portal.method("item")(lambda params: {"item": fields})
    for method, prefix in (("legacy", ""), ("item", "item.")):
        shown = table(b24.call(method))
        names = [row[0] for row in shown.rows[1:]]
        assert names == [f"{prefix}{name}" for name in [*(f"F{n}" for n in range(18)), "UF_CRM_1", "ufCrm2"]]
        assert shown.texts[1] == "41 more left out; all are in its .data"
    fields = {f"F{n}": n for n in range(15)} | {f"UF_CRM_{n}": n for n in range(15)}
    assert [row[0] for row in table(AjaxResult(Command("a.b"), "ok", data=fields)).rows[1:]] == [
        *(f"F{n}" for n in range(10)),
        *(f"UF_CRM_{n}" for n in range(10)),
    ]


def test_names_are_completed(b24):
    """Tab completes the names of commands after ``result["``, with or without a value."""
    result = b24.batch({"first": ("echo",), "second": ("no.such.method",)}, halt_on_error=False)
    assert result._ipython_key_completions_() == ["first", "second"]
    assert b24.batch([("echo",), Command("echo", name="x")])._ipython_key_completions_() == ["x"]


def test_captions_do_not_wrap(b24):
    """A caption is one line, however narrow its table is."""
    assert "min-width:max-content;text-wrap:nowrap" in b24.batch([("echo",)])._repr_html_().partition("</caption>")[0]


def test_a_wrong_value_is_an_error():
    """A command that ran with a wrong value comes first, with its error, though it is ok."""
    rows = rows_of("ok", "skipped", "ok")
    rows[2] = AjaxResult(Command("echo"), "ok", data=5, error=ReferenceMissed("nothing there"))
    assert table(Result(rows, False, [])).rows[1] == ["2", "echo", "ok", "REFERENCE_MISSED: nothing there"]
    assert table(rows[2]).rows[1:] == [["error", "REFERENCE_MISSED: nothing there"], ["data", "5"]]
    many = table(AjaxResult(Command("echo"), "ok", data=list(range(30)), error=ReferenceMissed("nothing there")))
    assert [row[0] for row in many.rows[1:]] == ["error", *map(str, range(19))]
    assert many.texts[1:] == ["11 more left out; all are in its .data"]


def test_one_outcome(b24, portal):
    """One outcome is its value, field by field, under its method, status and total."""
    portal.method("fields")(lambda params: {"ID": "7", "TITLE": "Deal", "LIST": [1, 2]})
    shown = table(b24.call("fields"))
    assert shown.texts == ["fields: ok"]
    assert shown.rows == [["field", "value"], ["ID", "'7'"], ["TITLE", "'Deal'"], ["LIST", "[1, 2]"]]
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(60)])
    deals = table(b24.call("crm.deal.list"))
    assert deals.texts == ["crm.deal.list: ok, total 60, next 50", "30 more left out; all are in its .data"]
    assert [row[0] for row in deals.rows[1:]] == [str(n) for n in range(20)]
    portal.method("fields")(lambda params: dict.fromkeys("abcdefghijklmnopqrst", 1))
    assert table(b24.call("fields")).texts == ["fields: ok"]


@pytest.mark.parametrize("data", [None, 0, "", "text", [], {}, True, 1.5], ids=repr)
def test_one_value(data):
    """A value without parts is one row."""
    assert table(AjaxResult(Command("echo"), "ok", data=data)).rows[1:] == [["data", repr(data)]]


@pytest.mark.parametrize("value", ["text", {}, [1]], ids=repr)
def test_one_part(value):
    """The only part of an object is named, unless it is an object with parts itself."""
    assert table(AjaxResult(Command("echo"), "ok", data={"part": value})).rows[1:] == [["part", repr(value)]]


def test_one_failure(b24):
    """A failure is its error, a skipped command shows its status."""
    failed, skipped = b24.batch([("no.such.method",), ("echo",)])
    assert table(failed).texts == ["no.such.method: failed"]
    assert table(failed).rows[1:] == [["error", f"ERROR_METHOD_NOT_FOUND: {NOT_FOUND}"]]
    assert (table(skipped).texts, table(skipped).rows[1:]) == (["echo: skipped"], [])


def test_an_error_without_words():
    """An error of which the portal says nothing says so."""
    row = AjaxResult(Command("echo"), "failed", error=AjaxError("", code=""))
    assert table(row).rows[1] == ["error", "no code and no description"]
    assert table(Result([row], False, [])).rows[1][3] == "no code and no description"


def test_a_session(clock):
    """A session shows its host, the kind of its credentials and how full its bucket is, and no secret."""
    bucket = LeakyBucket(clock=clock)
    b24 = Session(f"https://example.bitrix24.com/rest/1/{CODE}/", limits=bucket)
    for _ in range(12):
        bucket.acquire()
    assert table(b24).rows == [
        ["host", "example.bitrix24.com"],
        ["credentials", "Webhook"],
        ["rate", "12 of 50 requests, 2 per second leak out"],
    ]
    clock.advance(4.0)
    assert table(b24).rows[-1] == ["rate", "4 of 50 requests, 2 per second leak out"]
    clock.advance(100.0)
    assert table(b24).rows[-1] == ["rate", "0 of 50 requests, 2 per second leak out"]
    assert table(b24.with_options(limits=None)).rows[-1] == ["rate", "no limit"]
    assert CODE not in b24._repr_html_()


def test_secrets_in_values():
    """A webhook's URL that a portal repeats loses its code."""
    url = f"https://example.com/rest/1/{CODE}/x"
    row = AjaxResult(Command("echo"), "ok", data={"url": url, url: 1})
    failed = AjaxResult(Command("echo"), "failed", error=AjaxError(f"see {url}"))
    for thing in (row, failed, Result([row, failed], False, [])):
        assert "/rest/1/***/x" in thing._repr_html_()
        assert CODE not in thing._repr_html_()


def everything_marked_up(b24, portal):
    """Results with markup in every place where a portal or a caller can put it."""
    portal.method("marked")(lambda params: {MARKUP: MARKUP})

    @portal.method("refused")
    def refused(params):
        raise PortalError(MARKUP, MARKUP)

    calls = {MARKUP: ("marked",), f"2{MARKUP}": ("refused",)}
    result = b24.batch(calls)
    text = AjaxResult(Command("echo"), "ok", data=MARKUP)
    listed = AjaxResult(Command("echo"), "ok", data=[MARKUP], total=MARKUP, next=MARKUP)
    return [result, *result, text, listed]


def test_markup_is_escaped(b24, portal):
    """Markup in values, field names, errors, codes, totals and names of commands is text."""
    for thing in everything_marked_up(b24, portal):
        shown = table(thing)
        assert shown.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "div"}
        assert "script>" in "".join(shown.texts) + str(shown.rows)


def test_markup_in_a_method():
    """Even a method, which can hold none, is escaped; so are the facts of a session with credentials of one's own."""
    row = AjaxResult(Command("echo"), "ok")
    object.__setattr__(row.command, "method", MARKUP)
    for thing in (row, Result([row], False, [])):
        assert "<script" not in thing._repr_html_()
        assert "&lt;script&gt;alert(&quot;1 &amp; 2&quot;)" in thing._repr_html_()
    b24 = Session("https://example.com/rest/1/code/", limits=None)
    object.__setattr__(b24.auth, "host", MARKUP)
    assert "<script" not in b24._repr_html_()
    assert "&#x27;x&#x27;" in b24._repr_html_()


def test_long_texts_are_cut():
    """A cell has at most 200 characters, whatever the portal explains."""
    error = AjaxError("x" * 500, code="LONG")
    rows = [AjaxResult(Command("echo"), "failed", error=error), AjaxResult(Command("echo"), "ok", data="y" * 500)]
    shown = table(Result(rows, False, [])).rows
    assert len(shown[1][3]) == 200
    assert len(shown[2][3]) == 80
    assert shown[1][3].endswith("...")
    whole = AjaxResult(Command("echo"), "failed", error=AjaxError("x" * 194, code="LONG"))
    assert table(whole).rows[1] == ["error", f"LONG: {'x' * 194}"]


def test_short_words_are_not_broken():
    """A method, a status and a name stay in one piece beside a long value; only a long word is broken in a cell."""
    rows = named_rows(["unknown"] * 2 + ["ok"], "crm.item.productrow.list")
    rows += [AjaxResult(Command("crm.item.add", name=name), "ok", data="y" * 500) for name in ("x" * 31, "z" * 30)]
    html = Result(rows, False, [])._repr_html_()
    styles = {text: style for style, text in re.findall(r'<t[dh][^>]* ?style="([^"]*)">([^<]*)</t[dh]>', html)}
    broken = {text for text, style in styles.items() if "anywhere" in style}
    assert {text[:2] for text in broken} == {"xx", "&#"}
    assert {
        "z" * 30,
        "status",
        "unknown",
        "crm.item.productrow.list",
        "2 commands, order-0 to order-1",
    } <= styles.keys() - broken


def test_the_tables_have_no_colours_of_their_own(b24):
    """Light or dark, the tables take on the theme: they set no colour but the current one."""
    result = b24.batch([("echo",), ("no.such.method",)])
    for style in set().union(*(table(thing).styles for thing in (result, result[0], b24))):
        assert set(re.findall(r"(?<![-\w])(?:color|background[-\w]*):([^;]*)", style)) <= {"inherit"}
        assert not re.search(r"#[0-9a-f]{3}|rgb|white|black|gr[ae]y", style, re.IGNORECASE)


def test_records(b24):
    """`to_records` is one flat dict per command, in input order, with the same keys for every outcome."""
    result = b24.batch([Command("crm.deal.list", name="deals"), ("no.such.method",), ("echo",)], request_id="one")
    first, failed, skipped = json.loads(json.dumps(result.to_records()))
    assert first == {
        "position": 0,
        "name": "deals",
        "method": "crm.deal.list",
        "status": "ok",
        "data": [],
        "error": None,
        "error_type": None,
        "description": None,
        "total": 0,
        "http_status": 200,
        "request_id": "one",
    }
    assert (failed["error"], failed["error_type"]) == ("ERROR_METHOD_NOT_FOUND", "AjaxError")
    assert (failed["position"], failed["name"], failed["description"]) == (1, None, NOT_FOUND)
    assert (skipped["status"], skipped["error"]) == ("skipped", None)
    assert type(result.to_records()[1]["error"]) is str
    assert b24.batch_by_chunk([]).to_records() == []


def test_pandas(b24):
    """pandas makes a table of `data`, of the records and of a list."""
    pandas = pytest.importorskip("pandas")
    result = b24.batch_by_chunk([("echo", {"n": n, "m": "x"}) for n in range(60)] + [("no.such.method",)])
    data = pandas.DataFrame(result.data)
    assert (data.shape, list(data.columns), data["n"][59]) == ((60, 2), ["n", "m"], "59")
    records = pandas.DataFrame(result.to_records())
    assert records["status"].value_counts().to_dict() == {"ok": 60, "failed": 1}
    assert records[records["error"].notna()]["position"].tolist() == [60]
    b24.batch_by_chunk([("crm.deal.add", {"fields": {"TITLE": str(n)}}) for n in range(60)])
    assert len(pandas.DataFrame(b24.call_list("crm.deal.list"))) == 60
