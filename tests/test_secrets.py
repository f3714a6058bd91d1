"""Secrets in what a portal says, posts and is given by mistake: in no error, no frame of ours, no repr and no log."""

import json
import logging
import pickle
import re
import traceback
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest
import urllib3
from canary import assert_hidden
from drawing import together

from b24batch import (
    AjaxError,
    AnswerLost,
    Command,
    OAuth,
    PortalMoved,
    RetryPolicy,
    SdkError,
    Session,
    UnexpectedAnswer,
    UsageError,
    look_up,
    ref,
)
from b24batch.oauth import Event, Install, Placement, Token
from b24batch.options import Options, to_flag
from b24batch.redaction import Secret, mask, redact_urllib3_log, to_secret
from b24batch.sandbox import Answer
from b24batch.wire import answers
from b24batch.wire.messages import Post, Reply

CODE = "k7secretcode"
URL = f"https://example.bitrix24.com/rest/1/{CODE}/"
ACCESS, REFRESH, CLIENT = "a1/access+token==", "r1refreshtoken00", "c1ClientSecret"
ALL = (CODE, ACCESS, REFRESH, CLIENT)


def code_of(portal):
    return portal.url.rstrip("/").rpartition("/")[2]


@pytest.fixture(params=["webhook", "oauth"])
def session(portal, request):
    """A session, and its secrets in every form in which a text can have them."""
    secrets, auth = [code_of(portal)], portal.url
    if request.param == "oauth":
        token = Token(ACCESS, REFRESH, 4e9, portal.url.replace(f"1/{secrets[0]}/", ""), "a" * 32)
        auth, secrets = OAuth("app.1", CLIENT, token, token_url=portal.token_url), [ACCESS, REFRESH, CLIENT]
    session = Session(auth, limits=None, retries=RetryPolicy(wait_initial=0.0))
    session_secrets = [form for secret in secrets for form in (secret, quote(secret, safe=""))]
    with session:
        yield session, session_secrets


def told(secrets):
    """What a portal may say of secrets: in all cases, words and addresses."""
    return " ".join([f"Webhook {secret} was deleted, see /x?auth={secret}&a={secret.upper()}" for secret in secrets])


def sendings(b24):
    yield lambda: b24.call("crm.deal.add", {})
    yield lambda: b24.batch([("crm.deal.add", {}), ("crm.deal.get", {"ID": 1})])


def fails(portal, answer, send):
    portal.fail_next(answer)
    with pytest.raises(SdkError) as caught:
        send()
    return caught.value


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500, 503])
def test_a_portals_words(portal, session, status):
    """A description, a code and any other text of a refusal loses the session's secrets, and keeps the rest."""
    b24, secrets = session
    words = told(secrets)
    for send in sendings(b24):
        for error in ({"error": "X", "error_description": words}, {"error": words}, {"error": [words]}):
            failure = fails(portal, Answer(json.dumps(error), status), send)
            assert_hidden([*secrets, *map(str.upper, secrets)], failure)
        failure = fails(portal, Answer(json.dumps({"error": "X", "error_description": words}), status), send)
        assert "Webhook *** was deleted" in str(failure)


def test_a_portals_words_of_one_command(portal, session, caplog):
    """So does the error of one command in a batch; what commands return is the caller's, as it came."""
    b24, secrets = session
    caplog.set_level(logging.DEBUG)
    words = told(secrets)
    errors = [{"error": "X", "error_description": words}, {"error": words}, words, {"error": {"a": [words]}}]
    maps = {"result": {"4": words}, "result_error": errors}
    portal.fail_next(Answer(json.dumps({"result": maps})))
    result = b24.batch_by_chunk([("crm.deal.add", {})] * 5, halt_on_error=False)
    assert [row.status for row in result] == ["failed"] * 4 + ["ok"]
    assert result[4].data == words
    assert_hidden(secrets, result[0].error, caplog.records, [*(row.error for row in result[:4]), *result[:4]])
    assert result[0].error.description.startswith("Webhook *** was deleted, see /x?auth=***&a=***")
    assert "k7" not in result.error_messages[0]


MALFORMED = [
    pytest.param(lambda words: json.dumps({"result": words}), id="a result in words"),
    pytest.param(lambda words: json.dumps({"result": {"result": words, "result_error": []}}), id="a map in words"),
    pytest.param(lambda words: json.dumps({"message": words}), id="no result"),
    pytest.param(lambda words: f"<br />\n{words}" + '{"result": 5}', id="a notice"),
    pytest.param(lambda words: " " * 60 + words.split()[1] + '{"result": 5}', id="cut in a secret"),
    pytest.param(lambda words: (words.split()[1]) * 9000, id="nothing else"),
    pytest.param(lambda words: words[:3] + "\xff" + words, id="bytes"),
]


@pytest.mark.parametrize("answer", MALFORMED)
def test_answers_that_cannot_be_read(portal, session, answer):
    """What is quoted of an answer that is none has no secret, not even its beginning, nor has a frame of ours."""
    b24, secrets = session
    for secret in secrets:
        text = answer(told([secret]))
        for status in (200, 404, 502):
            failure = fails(portal, Answer(text.encode("latin-1"), status), lambda: b24.batch([("crm.deal.add", {})]))
            assert type(failure) is AnswerLost
            assert_hidden([*secrets, *[each[:8] for each in secrets]], failure)


@pytest.mark.parametrize("rows", [lambda told: [told], lambda told: [{told: 1}], lambda told: {told: [1], "b": [2]}])
def test_a_page_of_a_list_that_is_none(portal, session, rows):
    """What an error says and keeps of a page without rows has no secret."""
    b24, secrets = session
    for words in (told(secrets), *secrets):
        answer = Answer(json.dumps({"result": rows(words)}))
        failure = fails(portal, answer, lambda: b24.call_list("crm.deal.list"))
        assert type(failure) is UnexpectedAnswer
        texts = f"{failure} {failure!r} {failure.args} {vars(failure)}".casefold()
        assert not [secret for secret in secrets if secret.casefold() in texts]


def test_the_host_of_a_redirect(portal, session):
    """The place of a redirect is in no frame, and its host is named without secrets."""
    b24, secrets = session
    for secret in secrets:
        for place in (f"https://new.example/rest/1/{secret}/x", f"https://{secret}.example/?auth={secret}"):
            failure = fails(portal, Answer("", 302, {"Location": place}), lambda: b24.call("crm.deal.add"))
            assert type(failure) is PortalMoved
            assert_hidden([*secrets, *map(str.lower, secrets)], failure)


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("Webhook k7secretcode was deleted", CODE, "Webhook *** was deleted"),
        ("xk7secretcodex K7SECRETCODE", CODE, "x***x ***"),
        ("a%2Fb%3d a/b= a%2fb%3D", "a/b=", "*** *** ***"),
        (r"a\/bcdefghi", "a/bcdefghi", "***"),
        ("a b%20c", "a%20b%20c", "***"),
        ("%6b7%73ecretcode", CODE, "***"),
        ("".join(f"%{ord(letter):02x}" for letter in CODE), CODE, "***"),
        ("".join(f"%{ord(letter):02X}" for letter in CODE.upper()), CODE, "***"),
        ("a b c", "a%20b%20c", "***"),
        ("word wordy sword word.", "word", "*** wordy sword ***."),
        ("xabcdefghx xabcdefghix", "abcdefgh", "xabcdefghx xabcdefghix"),
        ("xabcdefghx xabcdefghix", "abcdefghi", "xabcdefghx x***x"),
        ("1 of 11 elements", "1", "1 of 11 elements"),
        ("abc", "abc", "abc"),
        ("/rest/1/x/ auth=x&y=1", "x", "/rest/1/***/ auth=***&y=1"),
        ("(.*)+[x] any", "(.*)+[x]", "*** any"),
        ("", CODE, ""),
    ],
)
def test_masks(text, secret, shown):
    """A secret is masked in any case and in percents, few or all; a short one only as a word, a letter not at all."""
    assert mask(text, (Secret(secret),)) == shown
    assert mask(text, (Secret("another secret"), Secret(secret))) == shown


def test_a_secret():
    """A secret shows nothing, equals one with the same text only, and is made of a text that is not empty."""
    secret = Secret(CODE)
    assert (repr(secret), str(secret), f"{secret:>20}") == ("Secret('***')", "Secret('***')", "***")
    assert {secret, Secret(CODE), to_secret(CODE), to_secret(secret)} == {secret}
    assert Secret(CODE) == secret != Secret("another")
    assert secret != CODE
    for value, given in (("", "an empty one"), (5, "int")):
        with pytest.raises(UsageError, match=f"^USAGE: key: expected a string that is not empty, got {given}$"):
            to_secret(value, "key")
    with pytest.raises(TypeError, match="cannot pickle a Secret"):
        pickle.dumps(secret)


class Mute:
    def __repr__(self):
        raise RuntimeError(CODE)


def test_a_value_that_cannot_be_shown():
    """A message shows the type of a value whose repr fails."""
    with pytest.raises(UsageError, match=r"^USAGE: x: expected True or False, got <Mute>$"):
        to_flag("x", Mute())


def test_no_secret_at_all():
    """Without secrets only what looks like one is masked."""
    assert mask("Not found, access_token=x", ()) == "Not found, access_token=***"


@pytest.mark.parametrize("secrets", [("k7secretcode", "k7secretcode99"), ("k7secretcode99", "k7secretcode")])
def test_a_secret_that_contains_another(secrets):
    """No end of a longer secret is left when a shorter one begins it."""
    assert mask("k7secretcode99 k7secretcode", tuple(map(Secret, secrets))) == "*** ***"


# Printers that look into objects


def expanded(value, depth=0):
    """A value as printers show it that look into classes of attrs past their repr, as that of rich does."""
    if depth > 8:
        return ""
    if attrs.has(type(value)):
        shown = [field.name for field in attrs.fields(type(value)) if field.repr]
        return repr(value) + "".join(expanded(getattr(value, name, ""), depth + 1) for name in shown)
    if isinstance(value, dict):
        return expanded([*value, *value.values()], depth)
    if isinstance(value, list | tuple):
        return "".join(expanded(item, depth + 1) for item in value)
    return repr(value)


def test_printers_that_look_into_objects(portal, session):
    """Nor does a printer find a secret that looks into the objects in our frames."""
    b24, secrets = session
    words = told(secrets)
    faults = [
        *(Answer(text, status) for text in (words, json.dumps({"error": words}), "{}") for status in (200, 404)),
        Answer("", 302, {"Location": f"https://x.example/{words}"}),
        *("lost_before", "expired_token", "garbage_status"),
    ]
    for fault in faults:
        for send in sendings(b24):
            assert_expanded_without(secrets, fails(portal, fault, send))
    portal.close()
    with pytest.raises(SdkError) as caught:
        b24.call("crm.deal.list")
    assert_expanded_without(secrets, caught.value)


def test_printers_that_look_into_a_request():
    """Nor in the request, the reply and the answer, which the frames of somebody else's exception hold."""
    reply = Reply(200, {"Location": URL}, CODE.encode(), None, None)
    post = Post(URL, {"code": CODE}, {}, (1.0, 1.0), 1.0, 1)
    for value in (post, reply, answers.Decoder(reply, "echo", "1"), answers.Answer({"result": CODE}, 200, "1")):
        assert CODE not in expanded(value)


def assert_expanded_without(secrets, error):
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if "b24batch" in frame.f_globals["__name__"]]
    assert ours
    shown = "".join(expanded(value) for frame in ours for value in list(frame.f_locals.values()))
    assert not [secret for secret in secrets if secret in shown]


# What is given by mistake


def senders(b24):
    """Every way to hand over a method, or calls with one."""
    yield lambda url: b24.call(url)
    yield lambda url: b24.call("crm.deal.add", url)
    yield lambda url: b24.batch(url)
    yield lambda url: b24.batch_by_chunk(url)
    yield lambda url: list(b24.stream_batch(url))
    yield lambda url: b24.call_list(url)
    yield lambda url: b24.call_list("crm.deal.list", url)
    yield lambda url: list(b24.fetch_list(url))
    yield lambda url: Command(url)
    yield lambda url: Command("crm.deal.add", url)
    yield lambda url: b24.call("echo", {url: {url: b""}})
    yield lambda url: look_up(b24, url, "ORIGIN_ID", ["a"])
    yield lambda url: look_up(b24, "crm.deal.list", url, ["a"])
    yield lambda url: look_up(b24, "crm.deal.list", "ORIGIN_ID", url)
    yield lambda url: look_up(b24, "crm.deal.list", "ORIGIN_ID", ["a"], url)
    for call in CALLS:
        yield lambda url, call=call: b24.batch([("echo",), call(url)])
        yield lambda url, call=call: b24.batch({"a": ("echo",), "b": call(url)})
        yield lambda url, call=call: b24.batch_by_chunk([("echo",), call(url)])
        yield lambda url, call=call: list(b24.stream_batch([("echo",), call(url)], chunk_size=1))


CALLS = [
    lambda url: (url, {}),
    lambda url: (url,),
    lambda url: [url, {}],
    lambda url: url,
    lambda url: {"method": url},
    lambda url: {"method": "echo", "params": url},
    lambda url: {url: "echo", "method": "echo"},
    lambda url: ("echo", url),
    lambda url: (5, url),
    lambda url: ("echo", {"a": ref(url)}),
]


@together("place", range(15 + 4 * len(CALLS)))
def test_a_webhook_for_a_method(b24, place):
    """A webhook's URL where a method, params or a call belongs is refused, and stands in no frame of ours."""
    send = list(senders(b24))[place]
    for url in (URL, URL.rstrip("/"), f"{URL}crm.deal.list"):
        with pytest.raises(UsageError) as caught:
            send(url)
        assert_hidden([CODE], caught.value)


@pytest.mark.parametrize("name", [*Options.__annotations__, "auth", "host", "webhook_url"])
def test_a_webhook_for_an_option(b24, name):
    """A webhook's URL for an option, one that there is or not, stands in neither the error nor a frame of ours."""
    for value in (URL, [URL], {"url": URL}):
        for make in (lambda **options: Session(URL.replace(CODE, "other"), **options), b24.with_options):
            if name == "idempotent_methods" and value is not URL:
                continue  # names of methods, which may be any
            with pytest.raises((TypeError, UsageError)) as caught:
                make(**{name: value})
            assert_hidden([CODE], caught.value)
    with pytest.raises(TypeError) as caught:
        Session(**{name: URL})
    assert_hidden([CODE], caught.value)


RUN_OPTIONS = ("halt_on_error", "request_id", "url")
CHUNK_OPTIONS = (*RUN_OPTIONS, "stop_on_error", "chunk_size")
LIST_OPTIONS = ("paging", "pages_per_request", "descending", "request_id", "limit", "url")
#: The methods that take options, each with some that no URL fits.
TAKERS = {
    "call": ("crm.deal.get", ("request_id", "url")),
    "batch": ([("echo",)], (*RUN_OPTIONS, "return_ajax_result")),
    "batch_by_chunk": ([("echo",)], (*CHUNK_OPTIONS, "progress")),
    "stream_batch": ([("echo",)], CHUNK_OPTIONS),
    "call_list": ("crm.deal.list", (*LIST_OPTIONS, "progress")),
    "fetch_list": ("crm.deal.list", LIST_OPTIONS),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_a_webhook_for_an_option_of_a_call(b24, taker):
    """A webhook's URL for an option of a call, a run or a list is refused, and stands in no frame of ours."""
    given, options = TAKERS[taker]
    for option in options:
        with pytest.raises((TypeError, UsageError)) as caught:
            getattr(b24, taker)(given, **{option: URL})
        assert_hidden([CODE], caught.value)


@pytest.mark.parametrize("taker", ["batch", "batch_by_chunk"])
def test_a_webhook_for_a_name(b24, taker):
    """A webhook's URL that names a wrong call of a mapping stands in neither the error nor a frame of ours."""
    with pytest.raises(UsageError) as caught:
        getattr(b24, taker)({URL: ("no method",)})
    assert_hidden([CODE], caught.value)


# What is posted

BOT = {"BOT": {"7": {"AUTH": {"access_token": ACCESS, "refresh_token": REFRESH}, "BOT_ID": "7"}}}


def test_the_tokens_of_bots(portal):
    """An event brings the tokens of its bots in its data: the data is whole, and no repr shows it."""
    event = Event.from_form(
        portal.event_form("ONIMBOTMESSAGEADD", BOT), application_token=portal.application_token, allow_loopback=True
    )
    assert event.data == BOT
    assert_shown(event, "ONIMBOTMESSAGEADD")


def test_the_data_of_an_installation(portal):
    """So with an installation and a placement: their repr has names and ids only."""
    form = {**portal.install_form(), "data[AUTH][access_token]": ACCESS, "data[AUTH][refresh_token]": REFRESH}
    assert_shown(Install.from_form(form, allow_loopback=True), portal.member_id[:0])
    options = {"auth": {"access_token": ACCESS, "refresh_token": REFRESH}}
    form = portal.placement_form("CRM_DEAL_DETAIL_TAB", options)
    placement = Placement.from_form(form, allow_loopback=True)
    assert placement.options == options
    assert_shown(placement, "CRM_DEAL_DETAIL_TAB")


def assert_shown(posted, name):
    secrets = [ACCESS, REFRESH, posted.token.access_token.reveal()]
    assert not [secret for secret in secrets if secret in f"{posted!r} {posted}"]
    assert name in repr(posted)


# What urllib3 logs


def test_every_logger_of_urllib3(caplog):
    """Each module of urllib3 that logs does so without codes and tokens."""
    redact_urllib3_log()
    caplog.set_level(logging.DEBUG)
    home = Path(urllib3.__file__).parent
    modules = [
        path for path in home.rglob("*.py") if re.search(r"^log = .*getLogger\(__name__\)", path.read_text(), re.M)
    ]
    assert len(modules) >= 5
    for path in modules:
        name = ".".join(["urllib3", *path.relative_to(home).with_suffix("").parts])
        logging.getLogger(name).debug("Incremented Retry for (url='%s'): %r", f"/rest/1/{CODE}/batch", "x")
    assert len(caplog.records) == len(modules)
    assert CODE not in caplog.text


def test_a_retry_of_urllib3(closed_port, caplog):
    """What urllib3's own retries log of a real request is masked as well."""
    caplog.set_level(logging.DEBUG)
    redact_urllib3_log()
    with urllib3.PoolManager() as pool, pytest.raises(urllib3.exceptions.MaxRetryError):
        pool.request("GET", f"http://127.0.0.1:{closed_port}/rest/1/{CODE}/batch", retries=urllib3.Retry(1))
    assert any(record.name == "urllib3.util.retry" for record in caplog.records)
    assert CODE not in caplog.text


def test_an_error_keeps_its_code(portal, b24):
    """A code is compared before it is masked, and one of the portal's own stays what it is."""
    portal.fail_next(Answer(json.dumps({"error": "ERROR_METHOD_NOT_FOUND", "error_description": "?"}), 404))
    with pytest.raises(AjaxError) as caught:
        b24.call("no.such")
    assert caught.value.code == "ERROR_METHOD_NOT_FOUND"
