"""The options of a session and of its calls: their names, what they may be, and what becomes of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, cast

import attrs
import requests
from attrs.validators import instance_of, optional

from b24batch.clock import Clock, Wait
from b24batch.errors import UsageError
from b24batch.redaction import redacted, shown
from b24batch.wire.rate import Limiter, shared_bucket
from b24batch.wire.retries import RetryPolicy
from b24batch.wire.settings import WireSettings, to_clock, to_wait

Given = ParamSpec("Given")
Made = TypeVar("Made")
#: The longest request id that a caller may choose.
MAX_REQUEST_ID = 128


class Options(TypedDict, total=False):
    """The options of a `Session`, all of them keywords."""

    timeout: float | tuple[float, float]
    deadline: float
    max_answer: int
    retries: RetryPolicy
    limits: Limiter | None
    max_wait: float | None
    operating_wait: float
    idempotent_methods: Collection[str]
    allow_http: bool
    http: requests.Session | None
    on_wait: Callable[[Wait], None] | None
    redact_urllib3_log: bool
    clock: Clock


class ListOptions(TypedDict, total=False):
    """The options of `Session.call_list`, those of `Session.fetch_list`."""

    id_key: str | None
    cursor_id_key: str | None
    result_key: str | None
    paging: Literal["cursor", "start", "whole"] | None
    pages_per_request: int
    descending: bool
    request_id: str | None
    limit: int | None


def check_number(name: str, value: object, most: int | None = None) -> int:
    """Return the value of an option; raise `UsageError` unless it is a whole number from 1 to `most`, None for any."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        bound = "" if most is None else f" to {most}"
        raise UsageError(f"{name} is a whole number from 1{bound}, not {shown(value)}")
    return value


def checked(make: Callable[Given, Made], /, *args: Given.args, **kwargs: Given.kwargs) -> Made | TypeError | UsageError:
    """Return what is made of these arguments, or what is wrong with them as a new error.

    One of them may be the URL of a webhook. A traceback with locals would show it, so the frames of the error are left
    behind, and whoever raises it deletes the arguments first.
    """
    try:
        return make(*args, **kwargs)
    except UsageError as error:
        return UsageError(error.description)
    except TypeError as error:
        return TypeError(redacted(str(error.args[0] if error.args else error)))


def hide_arguments(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return `function` with tracebacks that show no argument when one is invalid: it may be the URL of a webhook."""

    @functools.wraps(function)
    def hidden(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        try:
            return function(*args, **kwargs)
        except UsageError as error:
            failure: Exception = error.with_traceback(None)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from within, such as a callback of the caller's
            failure = TypeError(redacted(str(error)))
        del args, kwargs
        raise failure

    return hidden


def to_flag(value: object) -> bool:
    """Return True or False, and refuse what only looks like one of them."""
    if not isinstance(value, bool):
        raise UsageError(f"True or False is wanted, not {shown(value)}")
    return value


def to_methods(names: object) -> frozenset[str]:
    """Return names of methods, without their case."""
    if isinstance(names, str) or not isinstance(names, Collection):
        raise UsageError(f"idempotent_methods is a collection of method names, not {shown(names)}")
    return frozenset(str(name).casefold() for name in names)


@attrs.frozen(kw_only=True)
class Settings(WireSettings):
    """The options of a `Session`, checked and converted, with their defaults; see there."""

    operating_wait: float = attrs.field(default=660.0, converter=to_wait)
    idempotent_methods: frozenset[str] = attrs.field(default=(), converter=to_methods)
    allow_http: bool = attrs.field(default=False, converter=to_flag)
    http: requests.Session | None = attrs.field(default=None, validator=optional(instance_of(requests.Session)))
    redact_urllib3_log: bool = attrs.field(default=True, converter=to_flag)


def to_settings(host: str, options: Options) -> Settings:
    """Return the settings of a session on the portal `host`, all of whose sessions share one rate by default."""
    given: dict[str, Any] = {**options}
    if "limits" not in given:
        given["limits"] = shared_bucket(host, to_clock(given.get("clock", time)))
    return Settings(**given)


def vary(settings: Settings, options: Options) -> Settings:
    """Return the settings with other options."""
    return attrs.evolve(settings, **options)


class _Option(Generic[Made]):
    """An option, as an attribute that can be read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: Any, owner: type) -> Made:
        return cast("Made", self if session is None else getattr(session._settings, self._name))


class Configured:
    """What has settings, and shows each of them as an attribute."""

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
    idempotent_methods = _Option[frozenset[str]]()
    allow_http = _Option[bool]()
    http = _Option[requests.Session | None]()
    on_wait = _Option[Callable[[Wait], None] | None]()
    redact_urllib3_log = _Option[bool]()


def to_request_id(value: object) -> str:
    """Return a request id, by default a UUID; raise `UsageError` for what is no header."""
    if value is None:
        from uuid import uuid4

        return str(uuid4())
    plain = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
    if isinstance(value, str) and plain and 0 < len(value) <= MAX_REQUEST_ID and redacted(value) == value:
        return value
    raise UsageError(f"a request_id is 1 to {MAX_REQUEST_ID} printable ASCII characters, not {shown(value)}")
