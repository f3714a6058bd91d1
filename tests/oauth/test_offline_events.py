"""Offline events: every event of the portal's queue is handled, and removed only after that."""

import itertools

import pytest

from b24batch import AjaxError, AnswerLost, UnexpectedAnswer, UsageError
from b24batch.oauth import offline_events
from b24batch.sandbox import FakeClock, Portal, PortalError


@pytest.fixture
def portal():
    """A portal whose clock is nobody's: pauses take no time."""
    with Portal(FakeClock()) as portal:
        yield portal


@pytest.fixture
def b24(portal):
    with portal.session(portal.oauth()) as b24:
        yield b24


def queue(portal, count, first=1):
    for number in range(first, first + count):
        portal.queue_event("ONCRMDEALUPDATE", {"FIELDS": {"ID": str(number)}})


def left(portal):
    """The deals whose events are in the queue: the free ones, those that are reserved, and those set aside."""
    rows = portal.execute("event.offline.list", {"start": -1})
    kind = {("", "0"): "free", ("", "1"): "failed"}
    found = [(kind.get((row["PROCESS_ID"], row["ERROR"]), "reserved"), deal_of(row["EVENT_DATA"])) for row in rows]
    return {name: [deal for kind, deal in found if kind == name] for name in sorted({kind for kind, _ in found})}


def deal_of(data):
    return int(data["FIELDS"]["ID"])


def deals(batch):
    return [deal_of(event.data) for event in batch]


def sent(portal):
    return [request.method.removeprefix("event.offline.") for request in portal.requests]


def test_all_events_come_and_are_removed(portal, b24):
    """All events come once, batch by batch in their order, and the queue is empty afterwards."""
    queue(portal, 120)
    batches = [deals(batch) for batch in offline_events(b24)]
    assert [len(batch) for batch in batches] == [50, 50, 20]
    assert list(itertools.chain(*batches)) == list(range(1, 121))
    assert left(portal) == {}
    assert sent(portal) == ["get", "clear", "get", "clear", "get", "clear", "get"]


def test_an_empty_queue(portal, b24):
    """An empty queue has no batches."""
    assert list(offline_events(b24)) == []
    assert list(offline_events(b24, resume=True)) == []


def test_an_event(portal, b24):
    """An event has its name, data, user and number; its repr shows no data, which may hold the tokens of a bot."""
    portal.queue_event("onImBotMessageAdd", {"BOT": {"5": {"access_token": "b0t5ecret"}}}, user_id=7)
    (batch,) = offline_events(b24)
    (event,) = batch
    assert (event.id, event.event, event.user_id, len(event.message_id)) == (1, "ONIMBOTMESSAGEADD", 7, 32)
    assert event.data["BOT"]["5"]["access_token"] == "b0t5ecret"
    assert (batch[0], batch[:1], len(batch), batch.events) == (event, (event,), 1, (event,))
    assert "b0t5ecret" not in repr(event) + repr(batch) + str(batch.events)


def test_a_batch_is_removed_when_the_next_is_asked_for(portal, b24):
    """While a batch is handled it is in the queue, reserved; an event that comes meanwhile is in the next batch."""
    queue(portal, 2)
    seen = []
    for _ in offline_events(b24, limit=2):
        seen.append(left(portal))
        if len(seen) == 1:
            queue(portal, 1, first=3)
    assert seen == [{"reserved": [1, 2]}, {"reserved": [3]}]
    assert left(portal) == {}


@pytest.mark.parametrize("end", [ValueError("5ecret"), KeyboardInterrupt()], ids=repr)
def test_a_handler_that_raises(portal, b24, end):
    """If the code of the loop raises, its batch stays reserved, and what was handled before is removed."""
    queue(portal, 4)
    with pytest.raises(type(end)):
        for batch in offline_events(b24, limit=2):
            if deals(batch) == [3, 4]:
                raise end
    assert left(portal) == {"reserved": [3, 4]}
    assert list(offline_events(b24)) == []


def test_resume(portal, b24):
    """What earlier programs left reserved, however much, comes first on request, and then what is free."""
    queue(portal, 7)
    for size in (3, 2):
        next(offline_events(b24, limit=size))
    assert left(portal) == {"free": [6, 7], "reserved": [1, 2, 3, 4, 5]}
    handled = [deals(batch) for batch in offline_events(b24, limit=2, resume=True)]
    assert sorted(map(tuple, handled[:-1])) == [(1, 2), (3,), (4, 5)]
    assert handled[-1] == [6, 7]
    assert left(portal) == {}


def test_resume_where_the_times_are_not_in_the_order_of_the_numbers(portal, b24):
    """Of a batch that is fetched again in parts no event is left out, though an older one has happened again since."""
    queue(portal, 2)
    portal.clock.sleep(5.0)
    queue(portal, 1)
    assert deals(next(offline_events(b24))) == [2, 1]
    assert [deals(batch) for batch in offline_events(b24, limit=1, resume=True)] == [[1], [2]]


def test_resume_hands_out_what_the_filter_chooses(portal, b24):
    """What is reserved comes again only if the conditions choose it, or a handler would remove what is not its own."""
    queue(portal, 2)
    portal.queue_event("ONCRMLEADADD", {"FIELDS": {"ID": "9"}})
    next(offline_events(b24))
    queue(portal, 3, first=3)
    next(offline_events(b24))
    found = offline_events(b24, filter={"=EVENT_NAME": "ONCRMDEALUPDATE", ">ID": 1}, limit=1, resume=True)
    assert sorted(deals(batch) for batch in found) == [[2], [3], [4], [5]]
    assert left(portal) == {"reserved": [1, 9]}


def test_leaving_the_loop(portal, b24):
    """A loop that is left keeps its batch in the queue, unless the batch was cleared before."""
    queue(portal, 3)
    for _ in offline_events(b24, limit=1):
        break
    assert left(portal) == {"free": [2, 3], "reserved": [1]}
    for batch in offline_events(b24, limit=1):
        batch.clear()
        batch.clear()
        break
    assert left(portal) == {"free": [3], "reserved": [1]}
    assert sent(portal) == ["get", "get", "clear"]


def test_events_set_aside(portal, b24):
    """An event that is set aside stays in the queue as failed; only `failed` returns it, and removes it then."""
    queue(portal, 3)
    for batch in offline_events(b24):
        batch.set_aside(batch[1])
    assert left(portal) == {"failed": [2]}
    assert list(offline_events(b24)) == []
    assert [deals(batch) for batch in offline_events(b24, failed=True)] == [[2]]
    assert left(portal) == {}


def test_an_event_set_aside_that_happens_again(portal, b24):
    """While an event is set aside, the same event is not queued beside it: both come once, by `failed`."""
    queue(portal, 1)
    for batch in offline_events(b24):
        batch.set_aside(*batch)
    queue(portal, 1)
    assert list(offline_events(b24)) == []
    assert [deals(batch) for batch in offline_events(b24, failed=True)] == [[1]]


@pytest.mark.parametrize("failed", [False, True])
def test_a_loop_that_sets_everything_aside_ends(portal, b24, failed):
    """A loop ends even if nothing is ever removed, also where earlier programs left something."""
    queue(portal, 3)
    for batch in offline_events(b24):
        batch.set_aside(*batch)
    queue(portal, 2, first=4)
    next(offline_events(b24, failed=failed))
    turns = []
    for batch in itertools.islice(offline_events(b24, failed=failed, resume=True), 20):
        batch.set_aside(*batch)
        turns.append(deals(batch))
    assert turns == ([[1, 2, 3]] if failed else [[4, 5]])
    assert sorted(itertools.chain(*left(portal).values())) == [1, 2, 3, 4, 5]


def test_several_batches_that_stay(portal, b24):
    """Events that fail again stay reserved, and do not keep the loop from those of other batches."""
    queue(portal, 4)
    for batch in offline_events(b24):
        batch.set_aside(*batch)
    for _ in range(2):
        next(offline_events(b24, failed=True, limit=2))
    turns = []
    for batch in itertools.islice(offline_events(b24, failed=True, resume=True, limit=1), 20):
        batch.set_aside(*batch)
        turns.append(deals(batch))
    assert sorted(turns) == [[1], [2], [3], [4]]
    assert left(portal) == {"reserved": [1, 2, 3, 4]}


def test_an_event_that_is_not_of_the_batch(portal, b24):
    """An event of another batch, or one that is removed, is not set aside, and nothing is sent."""
    queue(portal, 2)
    first, second = offline_events(b24, limit=1)
    with pytest.raises(UsageError, match="not cleared"):
        first.set_aside(second[0])
    with pytest.raises(UsageError, match="not cleared"):
        second.set_aside(second[0])
    second.set_aside()
    assert sent(portal)[-1] == "get"


def test_a_filter(portal, b24):
    """Conditions choose the events; the others stay free."""
    queue(portal, 2)
    portal.queue_event("ONCRMLEADADD", {"FIELDS": {"ID": "9"}})
    found = [deals(batch) for batch in offline_events(b24, filter={"=EVENT_NAME": "ONCRMLEADADD"})]
    assert found == [[9]]
    assert left(portal) == {"free": [1, 2]}


def test_a_lost_answer_of_the_removal(portal, b24):
    """Removing is repeated when its answer is lost, since ids are given once."""
    queue(portal, 1)
    portal.fail_next("lost_after", after=1)
    assert [deals(batch) for batch in offline_events(b24)] == [[1]]
    assert left(portal) == {}
    assert sent(portal) == ["get", "clear", "clear", "get"]


def test_a_lost_answer_with_events(portal, b24):
    """A lost answer with events is an error, is not asked for again, and what it had comes by `resume`."""
    queue(portal, 2)
    portal.fail_next("lost_after")
    with pytest.raises(AnswerLost):
        list(offline_events(b24))
    assert sent(portal) == ["get"]
    assert left(portal) == {"reserved": [1, 2]}
    assert [deals(batch) for batch in offline_events(b24, resume=True)] == [[1, 2]]


def test_a_lost_answer_is_not_asked_for_again_though_the_session_may(portal):
    """A session that repeats the method does not repeat it here: another request would reserve other events."""
    queue(portal, 2)
    portal.fail_next("lost_after")
    with (
        portal.session(portal.oauth(), idempotent_methods=["event.offline.get"]) as b24,
        pytest.raises(AnswerLost),
    ):
        list(offline_events(b24, limit=1))
    assert left(portal) == {"free": [2], "reserved": [1]}


def test_a_removal_that_fails(portal, b24):
    """If a batch cannot be removed, the loop ends with the error, and the batch is still there."""
    queue(portal, 1)
    portal.fail_next(PortalError("ACCESS_DENIED", "Access denied!", http_status=403), after=1)
    with pytest.raises(AjaxError, match="ACCESS_DENIED"):
        list(offline_events(b24))
    assert left(portal) == {"reserved": [1]}


def test_a_webhook_has_no_queue(portal):
    """The portal refuses a webhook, by its own code."""
    with portal.session() as b24, pytest.raises(AjaxError, match="WRONG_AUTH_TYPE"):
        list(offline_events(b24))


def test_arguments_are_checked_at_once(portal, b24):
    """A wrong limit is refused by the call, before the loop."""
    for limit in (0, -1, True, "50", 2.0):
        with pytest.raises(UsageError, match="limit: expected a whole number"):
            offline_events(b24, limit=limit)


ROW = {
    "ID": "1",
    "TIMESTAMP_X": "2024-07-18T12:32:31+02:00",
    "EVENT_NAME": "ONCRMLEADADD",
    "EVENT_DATA": {"FIELDS": {"ID": "1"}, "secret": "b0t5ecret"},
    "EVENT_ADDITIONAL": {"user_id": 0},
    "MESSAGE_ID": "b" * 32,
}
NEEDED = ROW.keys() - {"EVENT_ADDITIONAL"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "",
        {"process_id": "p"},
        {"process_id": "p", "events": None},
        {"process_id": "p", "events": {"1": ROW}},
        {"process_id": None, "events": [ROW]},
        {"process_id": "", "events": [ROW]},
        {"process_id": 7, "events": [ROW]},
        {"process_id": "p", "events": [None]},
        {"process_id": "p", "events": [{**ROW, "ID": "x"}]},
        *({"process_id": "p", "events": [{name: ROW[name] for name in ROW if name != key}]} for key in sorted(NEEDED)),
    ],
)
def test_an_answer_of_another_shape(portal, b24, answer):
    """An answer that is not as documented is never taken for the end of the queue, and is not shown."""
    portal.method("event.offline.get")(lambda params: answer)
    with pytest.raises(UnexpectedAnswer, match=r"event\.offline\.get: expected") as refused:
        list(offline_events(b24))
    assert "b0t5ecret" not in str(vars(refused.value)) + str(refused.value)


@pytest.mark.parametrize(
    ("additional", "user_id"),
    [
        ({"user_id": "0"}, 0),
        ({"user_id": 5}, 5),
        *((none, None) for none in ([], None, {}, {"user_id": ""}, {"user_id": None}, {"user_id": False})),
        *(({"user_id": strange}, None) for strange in ("x", [], {}, [5])),
    ],
)
def test_an_event_without_its_user(portal, b24, additional, user_id):
    """The portal does not always say who caused an event."""
    answers = iter([{"process_id": "p", "events": [{**ROW, "EVENT_ADDITIONAL": additional}]}])
    portal.method("event.offline.get")(lambda params: next(answers, {"process_id": "q", "events": []}))
    ((event,),) = offline_events(b24)
    assert event.user_id == user_id
