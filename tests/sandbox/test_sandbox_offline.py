"""The sandbox's queue of offline events, as the portal's own code has it."""

import pytest

from b24batch import AjaxError
from b24batch.sandbox import Portal


@pytest.fixture
def portal():
    with Portal() as portal:
        yield portal


@pytest.fixture
def call(portal):
    """Calls a method of the queue as the application, and returns its result or the code of its error."""
    with portal.session(portal.oauth()) as b24:

        def ask(name, **params):
            try:
                return b24.call(f"event.{name}", params).data
            except AjaxError as refused:
                return str(refused.code)

        yield ask


def test_binding_an_event(call):
    """An event that is queued has no address, any other has one."""
    assert call("bind", event="onCrmDealAdd", event_type="offline") is True
    assert call("bind", event="onCrmDealAdd", event_type="offline") == "ERROR_CORE"
    assert call("bind", event="onCrmDealAdd") == "ERROR_ARGUMENT"
    assert call("get") == [{"event": "ONCRMDEALADD", "handler": "", "auth_type": "0", "offline": "1"}]
    assert call("unbind", event="onCrmDealAdd", event_type="offline") == {"count": 1}


def test_the_same_event_is_queued_once(portal, call):
    """An event with the same data stays one entry while it is free; a reserved one gets a second entry."""
    for _ in range(2):
        portal.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": "1"}})
    got = call("offline.get", clear=0)
    assert [(event["ID"], event["EVENT_DATA"]) for event in got["events"]] == [("1", {"FIELDS": {"ID": "1"}})]
    portal.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": "1"}})
    assert [(row["ID"], row["PROCESS_ID"]) for row in call("offline.list")] == [("1", got["process_id"]), ("2", "")]


def test_getting_removes_by_default(portal, call):
    """Without ``clear=0`` the events are gone, and the answer has no process id."""
    portal.queue_event("ONCRMDEALADD")
    portal.queue_event("ONCRMLEADADD")
    got = call("offline.get", limit=1)
    assert (got["process_id"], [event["EVENT_NAME"] for event in got["events"]]) == (None, ["ONCRMDEALADD"])
    assert [row["EVENT_NAME"] for row in call("offline.list")] == ["ONCRMLEADADD"]


def test_reserved_events(portal, call):
    """Reserved events come again by their process id, others do not; they are removed by id, by key, or all."""
    for number in range(5):
        portal.queue_event("ONCRMDEALADD", {"FIELDS": {"ID": str(number)}})
    got = call("offline.get", clear=0, limit=4)
    process, ids = got["process_id"], [event["ID"] for event in got["events"]]
    assert call("offline.get", clear=0, process_id=process)["events"] == got["events"]
    assert call("offline.clear", process_id="another") is True
    assert call("offline.clear", process_id=process, id=ids[:1]) is True
    assert call("offline.clear", process_id=process, message_id=[got["events"][1]["MESSAGE_ID"]]) is True
    assert [row["ID"] for row in call("offline.list", filter={"=PROCESS_ID": process})] == ids[2:]
    assert call("offline.clear", process_id=process) is True
    assert [row["ID"] for row in call("offline.list")] == ["5"]


def test_failed_events(portal, call):
    """A failed event is free again, and comes only when failed ones are asked for."""
    portal.queue_event("ONCRMDEALADD")
    got = call("offline.get", clear=0)
    assert call("offline.error", process_id=got["process_id"], message_id=[got["events"][0]["MESSAGE_ID"]]) is True
    assert call("offline.get", clear=0)["events"] == []
    assert [event["ID"] for event in call("offline.get", clear=0, error=1)["events"]] == ["1"]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("get", {"limit": 0}),
        ("get", {"filter": {"PROCESS_ID": "x"}}),
        ("list", {"filter": {"!ID": 1}}),
        ("clear", {"id": [1]}),
        ("clear", {"process_id": "x", "id": 1}),
        ("clear", {"process_id": "x", "id": [0]}),
        ("clear", {"process_id": "x", "message_id": ["short"]}),
        ("error", {"process_id": "x"}),
    ],
)
def test_refused_arguments(call, name, params):
    """What the portal refuses is refused."""
    assert call(f"offline.{name}", **params) == "ERROR_ARGUMENT"


@pytest.mark.parametrize("name", ["get", "clear", "error", "list"])
def test_a_webhook(portal, name):
    """Only an application has a queue, in a batch too."""
    with portal.session() as b24:
        with pytest.raises(AjaxError, match="WRONG_AUTH_TYPE") as refused:
            b24.call(f"event.offline.{name}")
        assert refused.value.http_status == 403
        assert b24.batch([(f"event.offline.{name}",)]).rows[0].error.code == "WRONG_AUTH_TYPE"
