"""A Redis server that may be away: it runs scripts, and its errors are an answer like others."""

from __future__ import annotations

import abc
import inspect
import logging
import sys
from typing import Any, Protocol
from weakref import WeakValueDictionary

import attrs

from b24batch.errors import UsageError
from b24batch.redis.outage import ASK_AGAIN, Outages
from b24batch.redis.scripts import FILL, READ, RESERVE
from b24batch.wire.faults import find_foreign_exception

_log = logging.getLogger("b24batch")
#: What a client raises beside its own exceptions, for example when an answer is malformed.
_FAULTS = (OSError, ValueError, TypeError, AttributeError, IndexError, ArithmeticError, AssertionError, RuntimeError)


class Script(Protocol):
    """A script that a client has registered."""

    def __call__(self, keys: list[str], args: list[float]) -> Any:
        """Run the script."""


@attrs.define(eq=False, repr=False)
class Server:
    """The scripts in a Redis server, which all buckets over one client share. No error of Redis leaves it."""

    _scripts: dict[str, Script]
    _client: object  # keeps the client alive, and so its id unique
    outages: Outages = attrs.field(factory=Outages)

    def run(self, script: str, key: str, *args: float, now: float) -> float | None:
        """Return the answer of a script, a number that is not negative; None if Redis is away.

        Raises:
            BaseException: Any exception that is not of Redis or the network, such as a task's time limit.
        """
        if not self.outages.may_ask(now):
            return None
        outer = sys.exception()
        try:
            answer = _to_number(self._scripts[script](keys=[key], args=list(args)))
        except BaseException as error:
            foreign, cause = _find_foreign(error, outer), _describe(error)
        else:
            self._note_answer()
            return answer
        if foreign is not None:
            foreign.__context__ = None
            raise foreign.with_traceback(None)  # the frames of the client may show its password
        self._note_outage(cause, now)
        return None

    def _note_answer(self) -> None:
        if self.outages.end():
            _log.info("Redis answers again: all processes share the rate limit")

    def _note_outage(self, cause: str, now: float) -> None:
        if self.outages.begin(now):
            text = "Redis does not answer (%s): this process uses its share of the rate, and asks again every %g s"
            _log.warning(text, cause, ASK_AGAIN)


_servers: WeakValueDictionary[int, Server] = WeakValueDictionary()


def get_server(client: Any) -> Server:
    """Return the server of a client; all buckets on it share one.

    Raises:
        UsageError: The client is not one, or it is asynchronous.
    """
    register = getattr(client, "register_script", None)
    if register is None or inspect.iscoroutinefunction(getattr(client, "execute_command", None)):
        kind = type(client).__name__
        del client, register
        raise UsageError(f"client: expected a URL such as redis://host:6379/0 or a synchronous client, got {kind}")
    return _servers.setdefault(id(client), Server({text: register(text) for text in (RESERVE, FILL, READ)}, client))


def _to_number(answer: Any) -> float:
    number = float(answer)
    if not 0 <= number < float("inf"):
        raise ValueError("expected a number that is not negative")
    return number


class _OfClient(BaseException, metaclass=abc.ABCMeta):
    """Any exception of a client's package. Those of a cluster are not below its ``RedisError``."""

    @classmethod
    def __subclasshook__(cls, kind: type, /) -> bool:
        return any(each.__module__.partition(".")[0] in ("redis", "valkey") for each in kind.__mro__)


def _find_foreign(error: BaseException, outer: BaseException | None) -> BaseException | None:
    """Return the exception behind `error` that other code raised, such as a task's time limit, or None."""
    return find_foreign_exception(error, outer, (_OfClient,)) if isinstance(error, (_OfClient, *_FAULTS)) else error


def _describe(error: BaseException) -> str:
    """Return the class of an error, and the system's message; its own text is omitted, since it may show a password."""
    causes = [cause for cause in (error, error.__cause__, error.__context__) if isinstance(cause, OSError)]
    return ": ".join([type(error).__name__, *[cause.strerror for cause in causes if cause.strerror][:1]])
