"""The rate limiter that processes and machines share."""

from __future__ import annotations

import re
import time
from typing import Any
from weakref import WeakValueDictionary

import attrs

from b24batch.clock import Clock
from b24batch.errors import UsageError
from b24batch.redaction import Secret
from b24batch.redis.scripts import FILL, READ, RESERVE
from b24batch.redis.server import Server, get_server
from b24batch.wire.checks import check_capacity, check_rate, check_share, validate_with
from b24batch.wire.rate import LeakyBucket, ReservingLimiter, to_pause

#: As an argument of the script: no limit of the wait. Not every version of Lua reads "inf".
_NO_LIMIT = 1e300


@attrs.define(eq=False, init=False, repr=False)
class RedisBucket(ReservingLimiter):
    """A rate limiter in Redis: one bucket for all processes and machines, first come, first served.

    It keeps the same rate as a `b24batch.LeakyBucket`, by the clock of the Redis server. A refusal by the portal slows
    all processes down. Redis 5 or later, or Valkey; the bucket is one key, which expires by itself.

    If Redis does not answer, no error is raised. The logger ``b24batch`` logs one warning, and the process uses a
    bucket of its own with its `share` of the rate, which is full at first; Redis is asked again every 5 seconds. If
    Redis loses its data, the bucket is empty; the portal then refuses some requests, which are sent again.

    Threads and forked processes may share a bucket. The buckets of a process with the same URL or client share its
    connections, and notice together whether Redis answers.

    Args:
        client: A client of the package ``redis`` or ``valkey``, or the URL for one: ``redis://``, ``rediss://`` or
            ``unix://``, as a str or a `b24batch.wire.Secret`. A client from a URL waits at most 0.5 seconds for Redis,
            and never tries again by itself; give your own client such options too.
        name: The name that all processes use for this bucket: the portal's host or member id. The portal counts the
            requests of each IP address, so if a project has several, add the address, as in
            ``example.bitrix24.com@203.0.113.7``.
        capacity: Requests that an idle portal accepts at once; see `b24batch.LeakyBucket`. Default 50.
        leak_rate: Requests per second after that. Default 2.
        share: The part of the rate that this process uses while Redis does not answer, at most 1: one divided by
            the number of processes. Default 0.1.
        clock: Used to sleep, and to ask Redis again. Default: the module `time`.

    Raises:
        UsageError: The URL, the client, the name or a number is invalid.
    """

    name: str
    capacity: int = attrs.field(validator=validate_with(check_capacity))
    leak_rate: float = attrs.field(validator=validate_with(check_rate))
    share: float = attrs.field(validator=validate_with(check_share))
    clock: Clock
    _server: Server
    _local: LeakyBucket = attrs.field(init=False)
    #: The outage for which the local bucket was last filled.
    _outage: int = attrs.field(default=0, init=False)

    def __init__(
        self,
        client: Any,
        name: str,
        capacity: int = 50,
        leak_rate: float = 2.0,
        *,
        share: float = 0.1,
        clock: Clock = time,
    ) -> None:
        if isinstance(client, str):
            client = Secret(client)
        server = _open(client) if isinstance(client, Secret) else get_server(client)
        del client
        if not is_name(name):
            del name  # a traceback with locals may show it, and it may be a URL with a secret
            raise UsageError("name: expected a host or a member id: letters, digits and . : @ - _ [ ]")
        self.__attrs_init__(name, capacity, leak_rate, share, clock, server)

    def __attrs_post_init__(self) -> None:
        capacity = max(2, round(self.capacity * self.share))
        self._local = LeakyBucket(capacity, self.leak_rate * self.share, clock=self.clock)

    @property
    def level(self) -> float:
        """The requests that have not leaked out yet, of all processes; of this one while Redis does not answer."""
        seconds = self._run(READ)
        return self._get_local().level if seconds is None else seconds * self.leak_rate

    def penalize(self, seconds: float = 0.0) -> None:
        """Mark the bucket full for all processes, and let nothing leak for `seconds`: the portal refused a request.

        More than 120 seconds count as 120; negative numbers and NaN count as 0.
        """
        if self._run(FILL, to_pause(seconds) + self._full) is None:
            self._get_local().penalize(seconds)

    def _reserve(self, max_wait: float | None) -> float:
        most = _NO_LIMIT if max_wait is None else max_wait
        wait = self._run(RESERVE, 1 / self.leak_rate, self._full, most)
        return self._get_local()._reserve(max_wait) if wait is None else wait

    def __repr__(self) -> str:
        name = getattr(self, "name", None)  # missing if __init__ failed; a traceback may show it even so
        return f"RedisBucket({name!r}, {self.capacity}, {self.leak_rate})" if name else "RedisBucket()"

    @property
    def _full(self) -> float:
        """The seconds in which a full bucket becomes empty; like a `LeakyBucket` it plans one request less."""
        return (self.capacity - 1) / self.leak_rate

    def _run(self, script: str, *args: float) -> float | None:
        return self._server.run(script, f"b24batch:{{{self.name}}}:bucket", *args, now=self.clock.monotonic())

    def _get_local(self) -> LeakyBucket:
        """Return the bucket of this process; at the beginning of an outage it is full."""
        count = self._server.outages.count
        if self._outage != count:
            self._local.penalize()  # first, since another thread may be here too
            self._outage = count
        return self._local


def is_name(text: object) -> bool:
    """Return whether a text, such as a host, can be part of a key; a URL cannot."""
    return isinstance(text, str) and re.fullmatch(r"[\w.:@\[\]-]{1,255}", text) is not None


_opened: WeakValueDictionary[Secret, Server] = WeakValueDictionary()


def _open(url: Secret) -> Server:
    """Return the server at a URL; all buckets of a process with this URL share its client."""
    known = _opened.get(url)
    if known is not None:
        return known
    try:
        from b24batch.redis.client import open_client
    except ModuleNotFoundError as missing:
        name = missing.name
    else:
        return _opened.setdefault(url, get_server(open_client(url)))
    raise ImportError(f"a URL of Redis needs {name}: pip install 'b24batch[redis]'")
