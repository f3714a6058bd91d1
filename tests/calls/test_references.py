"""References: what is refused, what the library puts in, what the portal puts in, and what the rows then say."""

import pickle
from enum import Enum

import pytest
from drawing import together

from b24batch import Command, ReferenceMissed, UsageError, ref
from b24batch.sandbox import Page, PortalError

ITEM = {"id": 5, "title": "hello world", "n": None, "list": [{"id": 11}, {"id": 12}]}
ANSWERS = {
    "a": 42,
    "s": "123",
    "h": "hello big world",
    "i": {"item": ITEM},
    "l": Page([{"ID": "1"}, {"ID": "2"}], next=50, total=70),
    "n": None,
    "tr": True,
    "f": 1.5,
}


@pytest.fixture
def received(portal):
    """What `take`, a write, and `look.get`, a read, were called with, on a portal with a method for each answer."""
    values = []
    for name, answer in ANSWERS.items():
        portal.method(f"my.{name}")(lambda params, answer=answer: answer)
    for name in ("take", "look.get"):
        portal.method(name)(lambda params: values.append(params.get("v")) or {"took": len(values)})

    @portal.method("my.x")
    def fail(params):
        raise PortalError("MY_CODE", "it failed")

    return values


def calls(*references, method="take"):
    """A named call for each answer, and one of `method` that takes each reference."""
    named = {name: (f"my.{name}",) for name in ANSWERS}
    return named | {f"take{n}": (method, {"v": reference}) for n, reference in enumerate(references)}


def commands(*references, method="take"):
    return [Command(call[0], *call[1:], name=name) for name, call in calls(*references, method=method).items()]


#: A reference, what the portal puts in, and what the library puts in when it leads to an earlier request.
FOUND = [
    (ref("a"), 42, "42"),
    (ref("s"), "123", "123"),
    (ref("f"), 1.5, "1.5"),
    (ref("h"), "hello big world", "hello big world"),
    (ref("i")["item"]["list"][1]["id"], 12, "12"),
    (ref("i")["item"]["list"]["1"]["id"], 12, "12"),
    (ref("i")["item"]["title"], "hello world", "hello world"),
    (ref("i")["item"]["list"], ITEM["list"], [{"id": "11"}, {"id": "12"}]),
    (ref("i")["item"], ITEM, {"id": "5", "title": "hello world", "n": "", "list": [{"id": "11"}, {"id": "12"}]}),
    (ref("l").total, 70, "70"),
    (ref("l").next, 50, "50"),
    (ref("l")[0]["ID"], "1", "1"),
    (ref(0), 42, "42"),
    (ref(4)[1], {"ID": "2"}, {"ID": "2"}),
]


@together(("reference", "inside", "across"), FOUND)
def test_a_value_that_is_there(b24, received, reference, inside, across):
    """A chunked run looks for the value and puts it into a write, wherever its chunks end."""
    received.clear()
    assert b24.batch_by_chunk(commands(reference)).is_success
    assert b24.batch_by_chunk(commands(reference), chunk_size=1).is_success
    assert all(row.is_success for row in b24.stream_batch(commands(reference)))
    assert all(row.is_success for row in b24.stream_batch(commands(reference), chunk_size=1))
    assert received == [across] * 4
    assert {type(value) for value in received} == {type(across)}


@together(("reference", "inside", "across"), [*FOUND, (ref("tr"), True, "1")])
def test_a_value_that_is_there_for_a_read(portal, b24, received, reference, inside, across):
    """For a read the portal puts the value in, within one request; across requests the library does."""
    received.clear()
    assert b24.batch(calls(reference, method="look.get")).is_success
    assert b24.batch_by_chunk(commands(reference, method="look.get")).is_success
    assert len(portal.requests) == 2
    assert b24.batch_by_chunk(commands(reference, method="look.get"), chunk_size=1).is_success
    assert received == [inside, inside, across]
    assert [type(value) for value in received] == [type(inside)] * 2 + [type(across)]


#: References to what is missing or null: the portal would put something else in.
MISSED = [
    ref("n"),
    ref("a")["ID"],
    ref("s")[0],
    ref("h")[0],
    ref("i")["item"]["title"][0],
    ref("l")["ID"],
    ref("l")[2]["ID"],
    ref("i")["item"]["nope"],
    ref("i")["item"]["n"],
    ref("i")["item"]["n"]["q"],
    ref("a").total,
    ref("a").next,
    ref("f")["x"]["y"],
]


@together("size", [1, 50])
@together("reference", MISSED)
def test_a_value_that_is_not_there(b24, received, reference, size):
    """A write whose value is missing or null is not sent, wherever the chunks end."""
    for unsent in (
        b24.batch_by_chunk(commands(reference), chunk_size=size).rows[-1],
        list(b24.stream_batch(commands(reference), chunk_size=size))[-1],
    ):
        assert (unsent.status, type(unsent.error)) == ("failed", ReferenceMissed)
        assert "was not sent" in str(unsent.error)
    assert received == []
    assert b24.batch_by_chunk(commands(reference), chunk_size=size).remaining() == []


def test_several_values_that_are_not_there(b24, received):
    """Of several the message names the first."""
    values = [ref("a"), {"w": ref("i")["first"]}, ref("i")["second"]]
    row = b24.batch_by_chunk(commands(values, ref("n")), chunk_size=1)["take0"]
    assert str(row.error).startswith("REFERENCE_MISSED: ref('i')['first'] is missing")


@together("reference", MISSED)
def test_a_value_that_is_not_there_for_a_read(b24, received, reference):
    """In a batch a read has run with another value, and says so; in a chunked run it fails, wherever the chunks end."""
    ran = b24.batch(calls(reference, method="look.get"))["take0"]
    assert (ran.status, ran.is_success, type(ran.error)) == ("ok", False, ReferenceMissed)
    assert "ran with a wrong value" in str(ran.error)
    for size in (1, 50):
        row = b24.batch_by_chunk(commands(reference, method="look.get"), chunk_size=size)["take0"]
        assert (row.status, type(row.error), row.data) == ("failed", ReferenceMissed, None)


def test_data_leaves_out_what_ran_with_a_wrong_value(b24, received):
    """A command that ran with another value is no success: it is among the errors and not in the data."""
    result = b24.batch(calls(ref("n"), ref("a"), method="look.get"))
    assert "take0" not in result.data
    assert result.data["take1"] == {"took": 2}
    assert list(result.errors) == ["take0"]


@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("size", [1, 2, 50])
def test_a_failed_command_leaves_its_dependents_skipped(b24, received, halt, size):
    """What depends on a failed command, or on one that depends on it, is skipped; with halt on and off."""
    chain = [("my.x",), ("take", {"v": ref(0)}), ("take", {"v": ref(1)["took"]}), ("my.a",)]
    result = b24.batch_by_chunk(chain, halt_on_error=halt, chunk_size=size)
    assert [row.status for row in result][:3] == ["failed", "skipped", "skipped"]
    assert result[1].error is None
    assert received == []


def test_a_lost_command_leaves_its_dependents_skipped(portal, b24, received):
    """Nobody knows the value of a command whose answer was lost."""
    portal.fail_next("lost_after")
    result = b24.batch_by_chunk([("my.add",), ("take", {"v": ref(0)})], chunk_size=1)
    assert [row.status for row in result] == ["unknown", "skipped"]


@pytest.mark.usefixtures("refused")
def test_without_halt_a_batch_refuses_references(b24):
    """Without halt a portal runs the dependent of a failed command all the same, with a wrong value."""
    with pytest.raises(UsageError, match=r"call 1 \(take\) refers to another call, which needs halt_on_error=True"):
        b24.batch([("my.a",), ("take", {"v": ref(0)})], halt_on_error=False)


def test_without_halt_a_run_is_cut_before_the_dependent(portal, b24, received):
    """Without halt a chunked run sends the dependent in a later request, with the value."""
    chain = [("my.a",), ("my.s",), ("take", {"v": ref(0)}), ("take", {"v": ref(1)}), ("take", {"v": ref(3)["took"]})]
    assert b24.batch_by_chunk(chain, halt_on_error=False).is_success
    assert received == ["42", "123", "2"]
    assert [len(request.params["cmd"]) for request in portal.requests] == [2, 2, 1]


WRONG = [
    pytest.param(
        [("take", {"v": ref(0)})],
        r"call 0 .take.: has ref\(0\), but a reference must lead to an earlier call",
        id="itself",
    ),
    pytest.param([("take", {"v": ref(1)}), ("my.a",)], "lead to an earlier call", id="later"),
    pytest.param([("my.a",), ("take", {"v": ref(9)})], r"call 1 .*has ref\(9\)", id="far later"),
    pytest.param([("my.a",), ("take", {"v": ref("a")})], "no earlier call has that name", id="unknown name"),
    pytest.param([("my.a",), ("take", {"v": ref("0")})], "no earlier call has that name", id="position as text"),
    pytest.param([Command("my.a", name="x y"), ("take", {"v": ref(0)})], "white space or ]", id="name with a space"),
    pytest.param([Command("my.a", name="x]"), ("take", {"v": ref(0)})], "white space or ]", id="name with a bracket"),
    pytest.param([("my.a",), ("take", {"v": [{"w": ref(5)}]})], r"has ref\(5\)", id="nested"),
    pytest.param(
        [("my.a",), ("take", {ref(0): 1})], "an invalid name: expected a string or an integer", id="as a name"
    ),
    pytest.param([("my.a",), ("take", ref(0))], r"params: expected a mapping.*got ref\(0\)", id="for the params"),
]


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_reference_that_leads_nowhere(b24, wrong, message):
    """A reference is checked before anything is sent: its command exists, comes earlier and can be found."""
    for send in (b24.batch, b24.batch_by_chunk, lambda each: list(b24.stream_batch(each))):
        with pytest.raises(UsageError, match=message):
            send(wrong)


@pytest.mark.usefixtures("refused")
def test_a_direct_call_has_nothing_to_refer_to(b24):
    """In a call of its own there is nothing before."""
    with pytest.raises(UsageError, match="use batch, batch_by_chunk or stream_batch"):
        b24.call("take", {"v": ref(0)})


def test_the_memory_of_a_stream(portal, b24, received):
    """A stream remembers the last 50 calls: further back is refused, and what came before has been yielded."""
    near = [("my.a",), *[("my.s",)] * 49, ("take", {"v": ref(0)})]
    assert [row.status for row in b24.stream_batch(near, chunk_size=7)] == ["ok"] * 51
    assert received == ["42"]
    rows = []
    with pytest.raises(UsageError, match="more than 50 calls back"):
        for row in b24.stream_batch([("my.a",), *[("my.s",)] * 50, ("take", {"v": ref(0)})], chunk_size=10):
            rows.append(row)
    assert len(rows) == 50
    assert b24.batch_by_chunk([("my.a",), *[("my.s",)] * 99, ("take", {"v": ref(0)})]).is_success


def test_a_name_that_a_stream_has_forgotten(portal, b24, received):
    """By its name as well a call can be referred to from the next 50 calls only."""
    find, take = Command("my.a", name="find"), ("take", {"v": ref("find")})
    assert [row.status for row in b24.stream_batch([find, *[("my.s",)] * 49, take], chunk_size=10)] == ["ok"] * 51
    with pytest.raises(UsageError, match="no earlier call has that name"):
        list(b24.stream_batch([find, *[("my.s",)] * 50, take], chunk_size=10))
    assert received == ["42"]


@pytest.mark.slow
@pytest.mark.parametrize("halt", [True, False])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_a_chain_over_120_commands(portal, b24, halt, size):
    """Each of 120 commands takes the number of the one before, within chunks and across them."""
    taken = []
    portal.method("count")(
        lambda params: taken.append(int(params["n"])) or {"next": [taken[-1] + 1]} | {"n": taken[-1] + 1}
    )
    chain = [("count", {"n": 0}), *[("count", {"n": ref(n)["n"]}) for n in range(119)]]
    assert b24.batch_by_chunk(chain, halt_on_error=halt, chunk_size=size).is_success
    assert taken == list(range(120))


def test_a_value_that_a_batch_would_change(portal, b24, received):
    """A value that looks like a reference itself is put in all the same: its command then goes alone, in its place."""
    portal.method("tricky")(lambda params: "$result[0] and more")
    chain = [("tricky",), ("my.a",), ("take", {"v": ref(0)}), ("take", {"v": ref(1)}), ("take", {"v": ref(2)["took"]})]
    assert b24.batch_by_chunk(chain, chunk_size=2).is_success
    assert received == ["$result[0] and more", "42", "1"]
    assert [request.method for request in portal.requests] == ["batch", "take", "batch", "batch"]


def test_a_lone_command_with_a_reference(portal, b24, received):
    """A command that goes alone gets its values from the answers before it."""
    chain = [("my.a",), ("take", {"v": ref(0), "w": "$result[x]"}), ("take", {"v": ref(1)["took"]})]
    assert b24.batch_by_chunk(chain).is_success
    assert received == [42, "1"]
    assert [request.method for request in portal.requests] == ["batch", "take", "batch"]


def test_company_contact_and_deal(b24):
    """One batch creates a company, a contact in it and a deal for both."""
    result = b24.batch(
        {
            "company": ("crm.item.add", {"entityTypeId": 4, "fields": {"title": "Company 1"}}),
            "contact": (
                "crm.contact.add",
                {"fields": {"NAME": "Contact 1", "COMPANY_ID": ref("company")["item"]["id"]}},
            ),
            "deal": (
                "crm.deal.add",
                {
                    "fields": {
                        "TITLE": "Deal 1",
                        "COMPANY_ID": ref("company")["item"]["id"],
                        "CONTACT_ID": ref("contact"),
                    }
                },
            ),
        }
    ).raise_for_errors()
    deal = b24.call("crm.deal.get", {"id": result.data["deal"]}).data
    assert deal["COMPANY_ID"] == str(result.data["company"]["item"]["id"])
    assert deal["CONTACT_ID"] == str(result.data["contact"])


def test_values_of_this_request_and_of_an_earlier_one(portal, b24, received):
    """Of two references in a command the portal may insert one, and the library the other."""
    contact, deal = ("crm.contact.add", {}), ("crm.deal.add", {"fields": {"CONTACT_ID": ref(2), "TITLE": ref(0)}})
    result = b24.batch_by_chunk([("my.a",), ("my.a",), contact, deal], chunk_size=2).raise_for_errors()
    assert len(portal.requests) == 2
    stored = b24.call("crm.deal.get", {"id": result[3].data}).data
    assert (stored["CONTACT_ID"], stored["TITLE"]) == (str(result[2].data), "42")


def test_repeats_of_blocked_commands_keep_their_references(clock, portal, received):
    """A dependent that was skipped because its chunk was blocked gets the value when it is sent again."""
    blocked = [True]

    @portal.method("busy")
    def busy(params):
        if blocked.pop() if blocked else False:
            raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)
        return 7

    b24 = portal.session(clock=clock)
    chain = [("my.a",), ("busy",), ("look.get", {"v": ref(0)}), ("look.get", {"v": ref(1)})]
    assert b24.batch_by_chunk(chain).is_success
    assert received == ["42", 7]


def test_remaining_keeps_its_meaning(portal, b24, received):
    """What is passed again means what it meant: known values are put in, places counted anew, dead ends left out."""
    chain = [
        ("my.a",),
        ("my.x",),
        ("look.get", {"v": ref(1)}),
        ("look.get", {"v": ref(0)}),
        ("look.get", {"v": ref(3)["took"]}),
        Command("look.get", {"v": ref(2)}, name="hopeless"),
        ("look.get", {"v": ref("hopeless")}),
    ]
    remaining = b24.batch(chain).remaining()
    assert [command.params for command in remaining] == [{"v": 42}, {"v": ref(0)["took"]}]
    assert b24.batch(remaining).is_success
    assert received == ["42", 1]


@pytest.mark.parametrize("again", [Command("my.echo", name="a"), Command("my.echo", name="0")])
def test_a_name_that_comes_again_in_a_stream(portal, b24, again):
    """A position whose name a later call of a stream has taken over is refused: it would lead to the wrong one."""
    portal.method("my.echo")(lambda params: params)
    first = ("my.echo", {"v": 1}) if again.name == "0" else Command("my.echo", {"v": 1}, name="a")
    with pytest.raises(UsageError, match=r"has ref\(0\).*a later call has the same name"):
        list(b24.stream_batch([first, again, ("my.echo", {"v": ref(0)["v"]})], chunk_size=1))


def test_a_name_that_comes_again_is_the_later_ones(portal, b24):
    """A name leads to the last call that had it, however long ago the first one was."""
    got = []
    portal.method("my.echo")(lambda params: got.append(params["v"]) or params["v"])
    calls = [Command("my.echo", {"v": n}, name="a") if n in {0, 49} else ("my.echo", {"v": n}) for n in range(51)]
    rows = b24.stream_batch([*calls, ("my.echo", {"v": ref("a")})], chunk_size=20)
    assert all(row.is_success for row in rows)
    assert got[-1] == "49"


def test_a_name_that_comes_again_and_is_not_sent(portal, b24):
    """A name whose last call was not sent leads nowhere, also if an earlier call of that name succeeded."""
    contact, lost = (Command("crm.contact.add", {"fields": {"NAME": name}}, name="a") for name in ("X", ref("b")["no"]))
    calls = [contact, Command("server.time", name="b"), lost, ("crm.deal.add", {"fields": {"CONTACT_ID": ref("a")}})]
    assert [row.status for row in b24.stream_batch(calls, chunk_size=2)] == ["ok", "ok", "failed", "skipped"]
    assert "crm.deal.add" not in [command.method for command in portal.executed]


def test_a_value_that_can_be_sent_in_no_way(portal, b24, received):
    """A value from the portal that makes its command impossible fails that command only."""
    portal.method("tricky")(lambda params: "$result[0]")
    result = b24.batch_by_chunk([("tricky",), ("take", {"7": ref(0)}), ("my.a",)], chunk_size=1)
    assert [row.status for row in result] == ["ok", "failed", "ok"]
    assert (type(result[1].error), "7 would arrive as 0" in str(result[1].error)) == (UsageError, True)


class Key(str, Enum):  # noqa: UP042
    """Texts whose str() is another one."""

    ITEM = "item"
    ID = "id"


def test_keys_from_an_enum(portal, b24):
    """A member of an Enum of texts counts as its text in a reference too."""
    item = ("crm.item.add", {"entityTypeId": 4, "fields": {"title": "Company"}})
    calls = [Command(*item, name="item"), ("echo", {"id": ref(Key.ITEM)[Key.ITEM][Key.ID]})]
    assert repr(calls[1][1]["id"]) == "ref('item')['item']['id']"
    assert b24.batch(calls).data[1] == {"id": 1}
    assert b24.batch_by_chunk(calls, chunk_size=1).data[1] == {"id": "2"}


@pytest.mark.parametrize("key", ["01", "+1", "\u0661"])
def test_a_place_written_otherwise(portal, b24, received, key):
    """A place in a list is written in one way only; any other leads nowhere, as in PHP."""
    result = b24.batch([("my.l",), ("look.get", {"v": ref(0)[key]})])
    assert type(result[1].error) is ReferenceMissed
    assert b24.batch_by_chunk([("my.l",), ("take", {"v": ref(0)[key]})])[1].status == "failed"


def test_a_wrong_value_is_passed_on(b24, received):
    """What was made from the result of a command that ran with a wrong value is wrong as well, and says so."""
    result = b24.batch([("my.n",), ("look.get", {"v": ref(0)}), ("look.get", {"v": ref(1)["took"]})])
    assert [type(row.error) for row in result] == [type(None), ReferenceMissed, ReferenceMissed]


def splitting(portal, blocked=0):
    """Methods of which one answers with text like a reference, so that its dependent goes alone, at run time."""
    portal.method("my.text")(lambda params: "$result[0]")
    ran, left = [], [blocked]

    @portal.method("my.dep")
    def dependent(params):
        left[0] -= 1
        if left[0] >= 0:
            raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)
        ran.append("dep")

    portal.method("my.ran")(lambda params: ran.append(params["n"]))
    return ran


def test_what_was_skipped_after_an_error_is_not_repeated(clock, portal, received):
    """Only what was skipped behind a blocked command is sent again, not what another error of the chunk halted."""
    ran = splitting(portal, blocked=1)
    calls = [("my.text",), *[("my.a",)] * 3, ("my.x",), ("my.ran", {"n": 1}), ("my.dep", {"x": ref(0)})]
    result = portal.session(clock=clock).batch_by_chunk(calls, chunk_size=4)
    assert [row.status for row in result] == ["ok"] * 4 + ["failed", "skipped", "ok"]
    assert ran == ["dep"]


def test_a_run_that_ends_within_a_chunk(portal, b24, received):
    """When the credentials are refused nothing more is sent, also of a chunk that is sent in parts."""
    ran = splitting(portal)
    portal.fail_next(PortalError("INVALID_CREDENTIALS", "no", http_status=401), after=1)
    calls = [("my.text",), *[("my.a",)] * 3, ("my.ran", {"n": 1}), ("my.dep", {"x": ref(0)}), ("my.ran", {"n": 2})]
    result = b24.batch_by_chunk([*calls, *calls], chunk_size=4)
    assert [row.status for row in result] == ["ok"] * 4 + ["failed"] + ["skipped"] * 9
    assert ran == []


def test_a_dependent_that_waited_in_vain(clock, portal, received):
    """A dependent that waits for a blocked command, and whose value is missing at last, waits no longer."""
    splitting(portal)
    answers = iter([True, False])

    @portal.method("my.find")
    def find(params):
        if next(answers):
            raise PortalError("OPERATION_TIME_LIMIT", "blocked", http_status=429)
        return {}

    take = ("look.get", {"x": ref(0), "y": ref(2)["id"]})
    result = portal.session(clock=clock).batch_by_chunk([("my.text",), ("my.a",), ("my.find",), take], chunk_size=2)
    assert ([row.status for row in result], clock.slept) == (["ok", "ok", "ok", "failed"], [60.0])


def test_stop_on_error_within_a_chunk(portal, b24, received):
    """stop_on_error ends the run after the request with the error, also when its chunk is sent in parts."""
    ran = splitting(portal)
    calls = [("my.text",), ("my.a",), ("my.x",), ("my.dep", {"x": ref(0)}), ("my.ran", {"n": 1})]
    result = b24.batch_by_chunk(calls, chunk_size=2, stop_on_error=True)
    assert [row.status for row in result] == ["ok", "ok", "failed", "skipped", "skipped"]
    assert ran == []


@pytest.mark.parametrize("halt", [True, False])
def test_a_repeat_in_a_stream_remembers(clock, portal, received, halt):
    """A dependent that is blocked is repeated with its value, however many outcomes came in between."""
    ran = splitting(portal, blocked=1)
    calls = [*[("my.a",)] * 50, ("my.dep", {"x": ref(0)}), *[("my.a",)] * 49]
    rows = list(portal.session(clock=clock).stream_batch(calls, halt_on_error=halt))
    assert [row.status for row in rows] == ["ok"] * 100
    assert ran == ["dep"]


def test_a_reference_is_no_text():
    """Inside text the portal's substitution is unsafe: a reference refuses to become text, in every way."""
    reference = ref("a")["id"]
    for use in (
        lambda: str(reference),
        lambda: f"{reference}",
        lambda: "%s".__mod__(reference),
        lambda: "id " + reference,
        lambda: reference + " id",
    ):
        with pytest.raises(TypeError, match=r"ref\('a'\)\['id'\] cannot be part of a text; use it as a whole value"):
            use()
    with pytest.raises(TypeError):
        "".join(["id", reference])
    assert repr(reference) == "ref('a')['id']"
    assert repr(ref(3).total) == "ref(3).total"


def test_a_reference_is_no_collection():
    """It cannot be iterated, searched or judged, since nothing of it is known yet."""
    for use in (lambda: list(ref("a")), lambda: 1 in ref("a"), lambda: len(ref("a"))):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(TypeError, match=r"^ref\('a'\) has no value yet"):
        bool(ref("a"))


@pytest.mark.parametrize("target", [None, 1.5, True, b"a", ("a",)], ids=repr)
def test_a_target_that_is_none(target):
    """A target is a name or a position."""
    with pytest.raises(TypeError, match="a name or a position"):
        ref(target)


@pytest.mark.parametrize("target", [-1, "", "a b", "a]", "a\n", "\t"], ids=repr)
def test_a_target_that_cannot_be_found(target):
    """Positions count from the start, and the portal cannot follow a name with white space or a bracket."""
    with pytest.raises(ValueError, match=r"ref: expected a (position|name)"):
        ref(target)
    with pytest.raises(ValueError, match=r"ref: expected a (position|name)"):
        ref("a")[target]


def test_slices_and_the_like():
    """There are no slices of what is not known, and nothing inside a number."""
    for wrong, words in (
        (lambda: ref("a")[1:2], "expected a name or a position"),
        (lambda: ref("a")["b"].total, r"write ref\('a'\).total"),
        (lambda: ref("a").total.next, r"write ref\('a'\).next"),
        (lambda: ref("a").total["x"], r"ref\('a'\).total is a number and has no keys"),
    ):
        with pytest.raises(TypeError, match=words):
            wrong()


def test_references_travel():
    """Commands with references pickle, compare and can be in a set."""
    command = Command("take", {"v": ref("a")["id"]})
    assert pickle.loads(pickle.dumps(command)) == command
    assert len({ref("a"), ref("a"), ref("b")}) == 2


def test_a_reference_as_deep_as_a_value_may_be(b24, received):
    """A reference is sent from any depth that another value may have, although the interpreter's stack is limited."""
    value = ref(0)
    for _ in range(480):
        value = [value]
    assert b24.batch_by_chunk([("my.a",), ("look.get", {"v": value})]).is_success
    [sent] = received
    for _ in range(480):
        [sent] = sent
    assert sent == 42
