"""The portal of the benchmarks: a process of its own that answers at once, counts, and can be slow or strict.

    python benchmarks/portal.py

Prints its port and ends with its standard input. ``GET /reset?latency=0.02&capacity=50&rate=10`` begins a run: from
now on an answer takes so many seconds, and requests beyond the capacity, which leaks at that rate a second, are
refused. ``GET /counts`` tells what the run was.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import attrs
from answers import Answers

_HEAD = (
    b"HTTP/1.1 %s\r\nServer: nginx\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\n\r\n%s"
)
_OK = b"200 OK"
_BUSY = b"503 Service Unavailable"
_REFUSAL = b'{"error":"QUERY_LIMIT_EXCEEDED","error_description":"Too many requests"}'


@attrs.define
class Run:
    """What one client is given and what it did.

    Attributes:
        latency: Seconds that an answer takes.
        capacity: The requests that the bucket holds, 0 for no limit.
        rate: The requests that leak out of it in a second.
    """

    latency: float = 0.0
    capacity: float = 0.0
    rate: float = 0.0
    requests: int = 0
    refusals: int = 0
    connections: set[int] = attrs.field(factory=set)
    answers: Answers = attrs.field(factory=Answers)
    _level: float = 0.0
    _seen: float = 0.0

    def answer(self, path: str, body: bytes, connection: int) -> tuple[bytes, bytes]:
        """Return the status and the body that answer a request."""
        self.requests += 1
        self.connections.add(connection)
        if self.capacity and not self._admits():
            self.refusals += 1
            return _BUSY, _REFUSAL
        method = path.strip("/").rpartition("/")[2].removesuffix(".json")
        return _OK, self.answers.answer(method, body)

    def counts(self) -> dict[str, object]:
        """Return what the client did."""
        done = {"requests": self.requests, "connections": len(self.connections), "refusals": self.refusals}
        return {**done, "commands": self.answers.commands, "sample": unquote_plus(self.answers.sample)}

    def _admits(self) -> bool:
        now = time.monotonic()
        self._level = max(0.0, self._level - (now - self._seen) * self.rate)
        self._seen = now
        if self._level + 1 > self.capacity:
            return False
        self._level += 1
        return True


class Portal:
    """The run that is on, and who is connected."""

    def __init__(self) -> None:
        self.run = Run()
        self.connections = 0

    def control(self, path: str, query: str) -> bytes:
        """Begin a run, or tell what it was."""
        if path == "/reset":
            asked = {name: float(value) for name, value in parse_qsl(query)}
            self.run = Run(asked.get("latency", 0.0), asked.get("capacity", 0.0), asked.get("rate", 0.0))
        return json.dumps(self.run.counts()).encode()


class Connection(asyncio.Protocol):
    """One connection, which asyncio has switched Nagle's delay off for."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._buffer = b""
        portal.connections += 1
        self._number = portal.connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are complete."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            line, _, headers = self._buffer[:end].partition(b"\r\n")
            length = _content_length(headers)
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._respond(line.decode(), body)

    def _respond(self, line: str, body: bytes) -> None:
        verb, target, _ = line.split(" ")
        parts, run = urlsplit(target), self._portal.run
        if verb == "GET":
            self._transport.write(_HEAD % (_OK, len(told := self._portal.control(parts.path, parts.query)), told))
            return
        status, answer = run.answer(parts.path, body, self._number)
        text = _HEAD % (status, len(answer), answer)
        if run.latency:
            asyncio.get_running_loop().call_later(run.latency, self._transport.write, text)
        else:
            self._transport.write(text)


def _content_length(headers: bytes) -> int:
    _, _, behind = headers.lower().partition(b"content-length:")
    return int(behind.partition(b"\r\n")[0] or 0)


async def serve() -> None:
    """Answer until the standard input ends."""
    loop = asyncio.get_running_loop()
    portal = Portal()
    server = await loop.create_server(lambda: Connection(portal), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
