"""The keys of B24BATCH: what is said of a misspelt one and of a wrong value, by a check and at run time alike."""

import re

import django_setup  # noqa: F401
import pytest

from b24batch.options import Options

pytest_plugins = ["django_fixtures"]

from django.core import checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.test import RequestFactory, override_settings  # noqa: E402

from b24batch.django import event_view, get_session, install_view, placement_view, session_for  # noqa: E402
from b24batch.django.keys import KEYS  # noqa: E402

URL = "https://portal.invalid/rest/1/c0de5ecret/"
HOOK = {"WEBHOOK_SECRET_URL": URL}
APPLICATION = {"CLIENT_ID": "app.1", "CLIENT_SECRET": "c1ient5ecret"}
#: Values that no key takes, but for the one that is said.
STRANGE = [object(), 3, -1, True, "", "text 5ecret", None, b"5ecret", float("nan"), (), (1, 2, 3), [5], {"x": 1}, {5}]


def aliases(**default):
    return override_settings(B24BATCH={"default": default})


def check():
    """The errors that the checks find; warnings are about other things."""
    return [message for message in checks.run_checks(tags=["b24batch"]) if message.level >= checks.ERROR]


def ask(**default):
    """What a call says of the settings of an alias, and what the checks say."""
    with aliases(**default):
        found = check()
        with pytest.raises(ImproperlyConfigured) as refused:
            session_for("a1") if "CLIENT_ID" in default else get_session()
    return str(refused.value), found


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"WEBHOOK_URL": URL}, "an unknown key 'WEBHOOK_URL'. Did you mean WEBHOOK_SECRET_URL?"),
        ({"webhook_secret_url": URL}, "an unknown key 'webhook_secret_url'. Did you mean WEBHOOK_SECRET_URL?"),
        ({"CLIENT_IDD": "app.1", "CLIENT_SECRET": "x"}, "an unknown key 'CLIENT_IDD'. Did you mean CLIENT_ID?"),
        ({"CLIENT_ID": "app.1", "SECRET": "x"}, "an unknown key 'SECRET'. Did you mean CLIENT_SECRET?"),
        (HOOK | {"TIMEUOT": 5}, "an unknown key 'TIMEUOT'. Did you mean TIMEOUT?"),
        (HOOK | {7: 5}, "an unknown key 7. Valid keys: WEBHOOK_SECRET_URL, CLIENT_ID"),
        ({URL: None}, "an unknown key 'https://portal.invalid/rest/1/***/'. "),
        (HOOK | {"RETRIES": {"atempts": 3}}, "an unknown key 'atempts' in RETRIES. Did you mean attempts?"),
        (HOOK | {"RETRIES": {"ATTEMPTS": 3}}, "an unknown key 'ATTEMPTS' in RETRIES. Did you mean attempts?"),
        (HOOK | {"attempts": 3}, "an unknown key 'attempts'. Did you mean RETRIES, a dict with attempts?"),
        (HOOK | {"WAIT_MAX": 3}, "an unknown key 'WAIT_MAX'. Did you mean RETRIES, a dict with wait_max?"),
        (HOOK | {"RETRIES": {"zzz": 3}}, "an unknown key 'zzz' in RETRIES. Valid keys: attempts, wait_initial,"),
    ],
)
def test_a_misspelt_key(values, said):
    """A misspelt key, also one in RETRIES, raises at run time what its check says, with what was meant."""
    with override_settings(B24BATCH={"default": values}):
        found = [message for message in check() if message.id == "b24batch.E003"]
        with pytest.raises(ImproperlyConfigured) as refused:
            get_session()
    assert f"B24BATCH['default'] has {said}" in str(refused.value)
    assert [f"{message.msg} {message.hint}" for message in found] == [str(refused.value)]
    assert "5ecret" not in str(refused.value)


EXPECTED = 'expected B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}'


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (HOOK, 'put the keys under an alias: B24BATCH = {"default": {"WEBHOOK_SECRET_URL": ...}}'),
        ({"default": HOOK, "TIMEOUT": 5}, 'put the keys under an alias: B24BATCH = {"default": {"TIMEOUT": ...}}'),
        ({"default": HOOK, "RETRIES": {"attempts": 3}}, 'B24BATCH = {"default": {"RETRIES": ...}}'),
        ({"default": URL}, f"B24BATCH['default'] is not a dict: {EXPECTED}"),
        ({"default": None}, f"B24BATCH['default'] is not a dict: {EXPECTED}"),
        (URL, f"B24BATCH is not a dict: {EXPECTED}"),
        (None, f"B24BATCH is not a dict: {EXPECTED}"),
        ({}, f"B24BATCH is empty: {EXPECTED}"),
        ({7: HOOK}, "B24BATCH has an invalid alias: expected a str, got 7"),
    ],
)
def test_a_setting_of_another_shape(setting, said):
    """Keys at the wrong level, and values of another type, raise at run time what the check says: what is expected."""
    with override_settings(B24BATCH=setting):
        with pytest.raises(ImproperlyConfigured) as refused:
            get_session()
        found = [message for message in check() if message.id == "b24batch.E001"]
    assert str(refused.value).endswith(said)
    assert [message.msg for message in found] == [f"{refused.value}."]
    assert "5ecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("alias", "said"),
    [
        ("defualt", "aliases: 'default', 'Other'. Did you mean 'default'?"),
        ("other", "aliases: 'default', 'Other'. Did you mean 'Other'?"),
        ("default ", "aliases: 'default', 'Other'. Did you mean 'default'?"),
        ("x", "aliases: 'default', 'Other'"),
        (None, "aliases: 'default', 'Other'"),
    ],
)
def test_a_misspelt_alias(alias, said):
    """An alias that is not there is answered with the one that was meant."""
    with override_settings(B24BATCH={"default": HOOK, "Other": HOOK}), pytest.raises(ImproperlyConfigured) as refused:
        get_session(alias)
    assert str(refused.value) == f"B24BATCH[{alias!r}] is missing; {said}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CLIENT_ID", None),
        ("CLIENT_ID", ""),
        ("CLIENT_ID", "app.1 "),
        ("CLIENT_ID", "app.1\n"),
        ("CLIENT_SECRET", None),
        ("CLIENT_SECRET", ""),
        ("CLIENT_SECRET", "c1ient5ecret\n"),
        ("CLIENT_SECRET", " c1ient5ecret"),
        ("CLIENT_SECRET", b"c1ient5ecret"),
        ("APPLICATION_TOKEN", "t5ecret\r\n"),
        ("APPLICATION_TOKEN", None),
        ("ALLOWED_PORTALS", ["*"]),
        ("ALLOWED_PORTALS", [".portal.local"]),
        ("ALLOWED_PORTALS", ["*.portal.local"]),
        ("ALLOWED_PORTALS", ["portal.local "]),
    ],
)
def test_a_credential_that_is_not_as_it_was_given(key, value):
    """A missing variable, a line break of a file and a wildcard are answered with the key and how to write it."""
    refused, found = ask(**(APPLICATION | {key: value}))
    assert key in refused
    assert f'write it as "{key}": {KEYS[key].example}' in refused
    assert [message.msg for message in found] == [f"{refused}."]
    assert "5ecret" not in refused


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"RETRIES": 3},
            "RETRIES: expected a dict of the arguments of b24batch.RetryPolicy, got 3; "
            'write it as "RETRIES": {"attempts": 3}',
        ),
        ({"RETRIES": {"attempts": "3"}}, "RETRIES: attempts: expected a whole number of at least 1, got '3'; write it"),
        ({"RETRIES": {"attempts": 0}}, "RETRIES: attempts: expected a whole number of at least 1, got 0; write it"),
        (
            {"RETRIES": {"wait_max": True}},
            "RETRIES: wait_max: expected a number of seconds of at least 0, got True",
        ),
        (
            {"TIMEOUT": "30"},
            "TIMEOUT: expected a positive number of seconds, got '30'; write it as \"TIMEOUT\": 30, or",
        ),
        ({"ALLOW_HTTP": "yes"}, "ALLOW_HTTP: expected True or False, got 'yes'; write it as \"ALLOW_HTTP\": True"),
        ({"IDEMPOTENT_METHODS": [5]}, "IDEMPOTENT_METHODS: expected a collection of method names, got [5]; write it"),
        (
            {"MAX_WAIT": "0"},
            "MAX_WAIT: expected a positive number of seconds, got '0'; write it as \"MAX_WAIT\": 0, or",
        ),
        (
            {"RATE": ("50", 2)},
            "RATE: capacity: expected a whole number of at least 2, got '50'; write it as \"RATE\": (12, 0.5)",
        ),
    ],
)
def test_a_wrong_option(values, said):
    """A wrong value of an option is refused with its key, what was expected, what came, and how to write it."""
    refused, found = ask(**HOOK, **values)
    assert f"B24BATCH['default'] is invalid: {said}" in refused
    assert [(message.msg, message.id) for message in found] == [(f"{refused}.", "b24batch.E005")]


def is_answer(text, key):
    """Whether a text is about one key as it is written in the settings."""
    return f'write it as "{key}": ' in text or f"has no {key}" in text or f" in {key}." in text


@pytest.mark.parametrize("key", KEYS)
def test_every_wrong_value_is_answered_with_its_key(key):
    """Whatever strange value a key has: the answer names the key as it is written, and no argument, type or secret."""
    for value in STRANGE:
        with aliases(**(({} if key == "WEBHOOK_SECRET_URL" else APPLICATION) | {key: value})):
            found = [message.msg for message in check()]
        assert all(is_answer(text, key) for text in found), (value, found)
        assert not re.search(r"__init__|NoneType' object|not supported between|instance of", str(found)), (value, found)
        assert "text 5ecret" not in str(found) or "SECRET" not in key


def test_every_key_refuses_most_values():
    """No key takes all of the strange values, or the test before this one could not fail."""
    for key in KEYS:
        refused = []
        for value in STRANGE:
            with aliases(**(APPLICATION | {key: value})):
                refused += [message for message in check() if key in message.msg]
        assert len(refused) >= 5, key


@pytest.mark.parametrize("value", [None, "", [1], {"a": 1}, 5])
def test_a_member_id_that_is_none(value):
    """A wrong member id is told at run time as by the checks; an unset variable of the environment is one."""
    with aliases(**APPLICATION, MEMBER_ID=value):
        (found,) = check()
        with pytest.raises(ImproperlyConfigured) as refused:
            get_session()
    assert found.msg == f"{refused.value}."


#: Wrong values of what the views use before they have a session.
OF_FORMS = {
    "ALLOW_LOOPBACK": "1",
    "ALLOW_HTTP": 1,
    "ALLOWED_PORTALS": "*",
    "TOKEN_URL": "x",
    "APPLICATION_TOKEN": "a\n",
}


@pytest.mark.parametrize("view", [placement_view, install_view, event_view])
@pytest.mark.parametrize("key", OF_FORMS)
def test_a_form_and_a_wrong_setting(key, view):
    """A view raises with the text of the check, whatever the form; it does not refuse the portal's form instead."""
    page = view(lambda *_: None)
    with aliases(**APPLICATION | {key: OF_FORMS[key]}):
        (found,) = check()
        for form in ({}, {"event": "ONAPPINSTALL", "auth[member_id]": "a1", "auth[application_token]": "a"}):
            with pytest.raises(ImproperlyConfigured) as refused:
                page(RequestFactory().post("/", form))
            assert found.msg == f"{refused.value}."


@pytest.mark.parametrize("key", ["TIMEOUT", "DEADLINE", "MAX_WAIT", "OPERATING_WAIT"])
def test_a_number_beyond_measure(key):
    """A whole number that no float can be is refused in words too."""
    refused, found = ask(**HOOK, **{key: 10**400})
    assert f"{key}: expected a positive number of seconds, got 1000" in refused
    assert [f"{refused}."] == [message.msg for message in found]


@pytest.mark.parametrize("key", ["EGRESS", "TIMEOUT", "RATE", "ALLOWED_PORTALS"])
def test_a_url_of_redis_under_another_key(key):
    """A URL that was put under the wrong key is refused without its password."""
    for url in ("redis://:c0de5ecret@h:1/0", "rediss://u:c0de5ecret%21@h", "unix:///x?password=c0de5ecret"):
        refused, found = ask(**HOOK, **{key: url})
        assert "5ecret" not in f"{refused} {found}"


@pytest.mark.parametrize("values", [HOOK, APPLICATION], ids=["webhook", "application"])
def test_allow_http_has_the_name_of_the_setting(values):
    """What needs an option of the library is said with the name of its key."""
    if values is HOOK:
        values = {"WEBHOOK_SECRET_URL": URL.replace("https", "http")}
    refused, found = ask(**values, **({} if "CLIENT_ID" not in values else {"TOKEN_URL": "http://portal.invalid/"}))
    assert [f"{refused}."] == [message.msg for message in found]
    assert 'set "ALLOW_HTTP": True' in refused or 'write it as "TOKEN_URL": ' in refused
    assert not re.search(r"[a-z]+_[a-z]+=", refused)


def test_deployment_names_the_setting():
    """The warning of ALLOW_HTTP names it as it is written, and says what it does and when it may stay."""
    with aliases(**HOOK, ALLOW_HTTP=True, RATE=None):
        (found,) = checks.run_checks(tags=["b24batch"], include_deployment_checks=True)
    assert found.id == "b24batch.W002"
    assert found.msg == (
        "B24BATCH['default'] has \"ALLOW_HTTP\": True, so that credentials may be sent to a portal unencrypted."
    )
    assert "unless the portal has no https" in found.hint


def test_every_option_of_a_session_has_a_key():
    """Each option of a session that settings can hold is a key; the others are objects."""
    objects = {"limits", "http", "on_wait", "on_request", "clock"}
    assert {name.upper() for name in Options.__annotations__.keys() - objects} <= set(KEYS)
