"""Signatures: what an editor, a notebook and the documentation show of the arguments, and that they agree."""

import inspect

import attrs
import jedi
import pytest

from b24batch import OAuth, Session
from b24batch.options import Options, Settings
from b24batch.sandbox import Portal

#: A line of a user, and an argument that Tab completes at its end.
COMPLETED = [
    ('Session("https://example.com", ti', "timeout="),
    ('Session("https://example.com", ope', "operating_wait="),
    ('Session("https://example.com", idem', "idempotent_methods="),
    ("b24.with_options(dead", "deadline="),
    ('b24.call("crm.deal.get", {}, idem', "idempotent="),
    ("b24.batch([], hal", "halt_on_error="),
    ("b24.batch_by_chunk([], sto", "stop_after="),
    ("b24.stream_batch([], conc", "concurrency="),
    ('b24.call_list("x", des', "descending="),
    ('b24.fetch_list("x", lim', "limit="),
    ('Command("a.b", idem', "idempotent="),
    ('OAuth("client", "secret", mem', "member_id="),
    ("RetryPolicy(att", "attempts="),
    ("LeakyBucket(leak", "leak_rate="),
    ("Portal(clo", "clock="),
]


def parameters_of(function):
    return {
        name: each for name, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY
    }


def test_a_session_spells_its_options():
    """The signature has every option with the type in `Options`, and every setting is an option."""
    spelled = {name: each.annotation for name, each in parameters_of(Session).items()}
    assert spelled == {name: kind.__forward_arg__ for name, kind in Options.__annotations__.items()}
    assert {field.name for field in attrs.fields(Settings)} == spelled.keys()


def test_the_defaults_are_those_in_the_signature(portal):
    """A session with the defaults given is like one without, and both have them as attributes."""
    defaults = {name: each.default for name, each in parameters_of(Session).items()}
    with Session(portal.url) as plain, Session(portal.url, **defaults) as given:
        assert plain._settings == given._settings
        converted = {"limits": plain.limits, "idempotent_methods": frozenset()}
        assert {name: getattr(plain, name) for name in defaults} == defaults | converted


def test_with_options_shows_the_same():
    """What varies a session shows the options of a session; the default of each is its present value."""
    varied = parameters_of(Session.with_options)
    assert {name: each.annotation for name, each in varied.items()} == {
        name: each.annotation for name, each in parameters_of(Session).items()
    }
    assert {each.default for each in varied.values()} == {...}


def test_attributes_are_read_only(b24):
    """What a session has cannot be assigned: its connections and its runs would not know of it."""
    for name in (*Options.__annotations__, "auth", "statistics", "other"):
        with pytest.raises(AttributeError):
            setattr(b24, name, None)


def test_back_to_the_shared_limit(portal):
    """A session without a limit returns to the one that all sessions on its portal share; any other word is refused."""
    with Session(portal.url) as b24, b24.with_options(limits=None) as free:
        assert b24.limits is not None
        assert free.limits is None
        assert free.with_options(limits="shared").limits is b24.limits
        with pytest.raises(TypeError, match="or 'shared', got 'Shared'"):
            b24.with_options(limits="Shared")


#: Lines that an editor completes from types alone; a notebook has no object for them.
TYPED = [
    ("portal.session(max_w", "max_wait="),
    ("portal.start().se", "session"),
    ("with Portal() as fake:\n    fake.fail", "fail_next"),
    ("with Portal() as fake, fake.session() as client:\n    client.call_l", "call_list"),
    ("for row in b24.stream_batch([]):\n    row.http", "http_status"),
    ("b24.batch([]).raise_for_errors().rem", "remaining"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "argument"), [*COMPLETED, *TYPED])
def test_an_editor_completes(line, argument):
    """An editor that only reads the code completes arguments, also those behind ``**options``, and attributes."""
    code = (
        "from b24batch import Command, LeakyBucket, OAuth, RetryPolicy, Session\nfrom b24batch.sandbox import Portal\n"
        f"b24 = Session('https://example.com')\nportal = Portal()\n{line}"
    )
    assert argument in [each.name for each in jedi.Script(code).complete()]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "argument"), COMPLETED)
def test_a_notebook_completes(line, argument):
    """A notebook, which has the objects, completes the arguments too."""
    with Portal() as portal, portal.session() as b24:
        names = {"b24": b24, "portal": portal, "Portal": Portal, "Session": Session}
        exec("from b24batch import Command, LeakyBucket, OAuth, RetryPolicy", names)
        assert argument in [each.name for each in jedi.Interpreter(line, [names]).complete()]


def test_what_shift_tab_shows():
    """No public function has a signature that hides its options behind ``**``."""
    methods = [getattr(Session, name) for name in vars(Session) if not name.startswith("_")]
    shown = [Session, OAuth, Portal, *methods]
    kinds = [
        each.kind
        for function in shown
        if callable(function)
        for each in inspect.signature(function).parameters.values()
    ]
    assert len(kinds) > 80
    assert inspect.Parameter.VAR_KEYWORD not in kinds
