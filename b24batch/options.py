"""The options of a session and of its calls: names, types, checks and defaults."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, cast

import attrs
import requests
from attrs.validators import instance_of, optional

from b24batch.clock import Clock, Wait
from b24batch.errors import UsageError
from b24batch.redaction import redact, shown, without_frames
from b24batch.wire.rate import Limiter, shared_bucket
from b24batch.wire.retries import RetryPolicy
from b24batch.wire.settings import WireSettings, check_number, to_clock, to_wait, validate_with

Given = ParamSpec("Given")
Made = TypeVar("Made")
#: Maximum number of requests of one run on their way at once.
MAX_CONCURRENCY = 16
#: Maximum length of a request id that a caller chooses.
MAX_REQUEST_ID = 128


class Options(TypedDict, total=False):
    """The keyword options of a `Session`."""

    timeout: float | tuple[float, float]
    deadline: float
    max_answer: int
    retries: RetryPolicy
    limits: Limiter | None
    max_wait: float | None
    operating_wait: float
    concurrency: int
    idempotent_methods: Collection[str]
    allow_http: bool
    http: requests.Session | None
    on_wait: Callable[[Wait], None] | None
    redact_urllib3_log: bool
    clock: Clock


def checked(make: Callable[Given, Made], /, *args: Given.args, **kwargs: Given.kwargs) -> Made | TypeError | UsageError:
    """Return what `make` returns, or a new error if an argument is invalid.

    An argument may be a webhook URL, which a traceback with locals would show. The new error has no frames, and the
    caller must delete the arguments before raising it.
    """
    try:
        return make(*args, **kwargs)
    except UsageError as error:
        return UsageError(error.description)
    except TypeError as error:
        return TypeError(redact(str(error.args[0] if error.args else error)))


def hide_arguments(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return `function` with short tracebacks, which show no arguments if one is invalid: it may be a webhook URL."""

    @functools.wraps(function)
    def hidden(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        """Call the function."""
        __tracebackhide__ = True
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            if error.__traceback__ and error.__traceback__.tb_next is None and isinstance(error, TypeError):
                failure: list[BaseException] = [TypeError(redact(str(error)))]  # the call has wrong arguments
            elif not (failure := without_frames(error)):
                del args, kwargs
                raise
        del args, kwargs
        raise failure.pop()

    return hidden


def to_flag(name: str, value: object) -> bool:
    """Return True or False; raise `UsageError` for any other value, even 1 or 0."""
    if not isinstance(value, bool):
        raise UsageError(f"{name}: expected True or False, got {shown(value)}")
    return value


def to_methods(names: object) -> frozenset[str]:
    """Return names of methods in lower case."""
    if isinstance(names, str) or not isinstance(names, Collection):
        raise UsageError(f"idempotent_methods: expected a collection of method names, got {shown(names)}")
    return frozenset(str(name).casefold() for name in names)


def to_concurrency(value: object) -> int:
    """Return a number of requests on their way at once; raise `UsageError` unless it is from 1 to 16."""
    return check_number("concurrency", value, MAX_CONCURRENCY)


@attrs.frozen(kw_only=True)
class Settings(WireSettings):
    """The options of a `Session`, checked and converted, with their defaults."""

    operating_wait: float = attrs.field(default=660.0, validator=validate_with(to_wait))
    concurrency: int = attrs.field(default=1, converter=to_concurrency)
    idempotent_methods: frozenset[str] = attrs.field(default=(), converter=to_methods)
    allow_http: bool = attrs.field(default=False, validator=validate_with(to_flag))
    http: requests.Session | None = attrs.field(default=None, validator=optional(instance_of(requests.Session)))
    redact_urllib3_log: bool = attrs.field(default=True, validator=validate_with(to_flag))


def to_settings(host: str, options: Options) -> Settings:
    """Return the settings of a session. By default all sessions on the portal `host` share one rate limit."""
    refuse_unknown(options)
    given: dict[str, Any] = {**options}
    if "limits" not in given:
        given["limits"] = shared_bucket(host, to_clock(given.get("clock", time)))
    return Settings(**given)


def refuse_unknown(options: Options) -> None:
    """Raise `TypeError` for an option that a session does not have."""
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        raise TypeError(f"Session has no option {unknown[0]!r}; expected {', '.join(Options.__annotations__)}")


def vary(settings: Settings, options: Options) -> Settings:
    """Return a copy of the settings with some options changed."""
    refuse_unknown(options)
    return attrs.evolve(settings, **options)


class _Option(Generic[Made]):
    """A read-only attribute with the value of an option."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: Any, owner: type) -> Made:
        return cast("Made", self if session is None else getattr(session._settings, self._name))


class Configured:
    """Base of a class with settings, which makes each option a read-only attribute."""

    __slots__ = ()
    _settings: Settings

    timeout = _Option[tuple[float, float]]()
    deadline = _Option[float]()
    max_answer = _Option[int]()
    retries = _Option[RetryPolicy]()
    clock = _Option[Clock]()
    limits = _Option[Limiter | None]()
    max_wait = _Option[float | None]()
    operating_wait = _Option[float]()
    concurrency = _Option[int]()
    idempotent_methods = _Option[frozenset[str]]()
    allow_http = _Option[bool]()
    http = _Option[requests.Session | None]()
    on_wait = _Option[Callable[[Wait], None] | None]()
    redact_urllib3_log = _Option[bool]()


def to_request_id(value: object) -> str:
    """Return a request id, by default a new UUID; raise `UsageError` if it is not valid in a header."""
    if value is None:
        from uuid import uuid4

        return str(uuid4())
    plain = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
    if isinstance(value, str) and plain and 0 < len(value) <= MAX_REQUEST_ID and redact(value) == value:
        return value
    raise UsageError(f"request_id: expected 1 to {MAX_REQUEST_ID} printable ASCII characters, got {shown(value)}")
