"""The options of a session and of its calls: names, types and checks. Their defaults are in the signatures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, Literal, ParamSpec, TypedDict, TypeVar

import attrs
import requests
from attrs.validators import optional

from b24batch.clock import Clock, Wait
from b24batch.errors import UsageError
from b24batch.redaction import drop_frames, redact, shown
from b24batch.wire.checks import check_number, to_wait, validate_kind, validate_with
from b24batch.wire.rate import Limiter, shared_bucket
from b24batch.wire.reports import FinishedRequest
from b24batch.wire.retries import RetryPolicy
from b24batch.wire.settings import WireSettings, to_clock

Given = ParamSpec("Given")
Made = TypeVar("Made")
#: Maximum number of requests of one run on their way at once.
MAX_CONCURRENCY = 16
#: What the option `http` may be.
_HTTP = "a requests.Session or None"
#: Maximum length of a request id that a caller chooses.
MAX_REQUEST_ID = 128


class Options(TypedDict, total=False):
    """The options of a `Session` as a dict, with the types that its signature has."""

    timeout: float | tuple[float, float]
    deadline: float
    max_answer: int
    retries: RetryPolicy
    limits: Limiter | Literal["shared"] | None
    max_wait: float | None
    operating_wait: float
    concurrency: int
    idempotent_methods: Collection[str]
    allow_http: bool
    http: requests.Session | None
    on_wait: Callable[[Wait], None] | None
    on_request: Callable[[FinishedRequest], None] | None
    redact_urllib3_log: bool
    clock: Clock


def try_to(make: Callable[Given, Made], /, *args: Given.args, **kwargs: Given.kwargs) -> Made | TypeError | UsageError:
    """Return what `make` returns, or a new error if an argument is invalid.

    An argument may be a webhook URL, which a traceback with locals would show. The new error has no frames, and the
    caller must delete the arguments before raising it.
    """
    try:
        return make(*args, **kwargs)
    except UsageError as error:
        return UsageError(error.description)
    except TypeError as error:
        return TypeError(redact(str(error)))


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
                failure: list[BaseException] = [_make_arguments_error(function, str(error))]
            elif not (failure := drop_frames(error)):
                del args, kwargs
                raise
        del args, kwargs
        raise failure.pop()

    return hidden


def _make_arguments_error(function: Callable[..., object], message: str) -> TypeError:
    """Return the error of a call with wrong arguments; if one has no such name, it lists the names there are."""
    names = getattr(function, "__kwdefaults__", None) if "unexpected keyword" in message else None
    return TypeError(redact(f"{message}; expected {', '.join(names)}" if names else message))


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


@attrs.frozen
class Settings(WireSettings):
    """The options of a `Session`, checked and converted."""

    operating_wait: float = attrs.field(validator=validate_with(to_wait))
    concurrency: int = attrs.field(converter=to_concurrency)
    idempotent_methods: frozenset[str] = attrs.field(converter=to_methods)
    allow_http: bool = attrs.field(validator=validate_with(to_flag))
    http: requests.Session | None = attrs.field(validator=optional(validate_kind(requests.Session, _HTTP)))
    redact_urllib3_log: bool = attrs.field(validator=validate_with(to_flag))


def to_settings(host: str, options: Options) -> Settings:
    """Return the settings of a session on the portal `host`."""
    return Settings(**_with_bucket(host, options, options["clock"]))


def vary(settings: Settings, host: str, options: Options) -> Settings:
    """Return a copy of the settings of a session on `host` with some options changed."""
    if unknown := sorted(options.keys() - Options.__annotations__.keys()):
        raise TypeError(f"Session has no option {unknown[0]!r}; expected {', '.join(Options.__annotations__)}")
    return attrs.evolve(settings, **_with_bucket(host, options, options.get("clock", settings.clock)))


def _with_bucket(host: str, options: Options, clock: Clock) -> dict[str, Any]:
    """Return the options with the rate limit that all sessions on `host` share, if it is to be that one."""
    given: dict[str, Any] = {**options}
    if isinstance(limits := given.get("limits"), str) and limits == "shared":
        given["limits"] = shared_bucket(host, to_clock(clock))
    return given


def spell_options(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return `function`, whose signature shows in the place of ``**options`` those of a `Session`.

    The default that it shows for them, `Ellipsis`, stands for their present value.
    """
    signature = inspect.signature(function)
    first = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=kind.__forward_arg__)
        for name, kind in Options.__annotations__.items()
    ]
    vars(function)["__signature__"] = signature.replace(parameters=[*first, *options])
    return function


def to_request_id(value: object) -> str:
    """Return a request id, by default a new UUID; raise `UsageError` if it is not valid in a header."""
    if value is None:
        from uuid import uuid4

        return str(uuid4())
    plain = isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() == value
    if isinstance(value, str) and plain and 0 < len(value) <= MAX_REQUEST_ID and redact(value) == value:
        return value
    raise UsageError(f"request_id: expected 1 to {MAX_REQUEST_ID} printable ASCII characters, got {shown(value)}")
