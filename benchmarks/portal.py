"""The portal of the benchmarks: a process of its own that counts, and can be slow, busy, strict or unreliable.

    python benchmarks/portal.py [--latency 300] [--work 20 --workers 8] [--capacity 50 --rate 2]
                                [--fail-every 20 --failure lost]

Prints its port and ends with its standard input. With ``--work 20`` each command takes 20 ms of one of its 8 workers,
so a request with 50 commands takes one worker for a second, and the ninth request has to wait. ``GET
/reset?latency=20&capacity=50&rate=10`` begins a run with other settings: the names are those of the options, and what
is not named is as without options. ``GET /counts`` tells what the run was.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import urlsplit

from portal_run import PortalRun, Reply
from settings import Settings

_HEAD = (
    b"HTTP/1.1 %s\r\nServer: nginx\r\nContent-Type: %s; charset=utf-8\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\n\r\n%s"
)


class Portal:
    """The run that is on, and who is connected."""

    def __init__(self, settings: Settings) -> None:
        self.run = PortalRun(settings)
        self.connections = 0

    def control(self, path: str, query: str) -> bytes:
        """Begin a run, or tell what it was."""
        if path == "/reset":
            self.run = PortalRun(Settings.from_query(query))
        return json.dumps(self.run.counts()).encode()


class Connection(asyncio.Protocol):
    """One connection, which asyncio has switched Nagle's delay off for."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._buffer = b""
        self._loop = asyncio.get_running_loop()
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
        parts, run, now = urlsplit(target), self._portal.run, self._loop.time()
        if verb == "GET":
            self._transport.write(_text(b"200 OK", self._portal.control(parts.path, parts.query)))
            return
        run.begin(self._number)
        reply = run.reply(parts.path, body, now)
        if reply.at > now:
            self._loop.call_at(reply.at, self._send, run, reply)
        else:
            self._send(run, reply)

    def _send(self, run: PortalRun, reply: Reply) -> None:
        run.end()
        if not reply.status:
            self._transport.close()
        elif not self._transport.is_closing():
            self._transport.write(_text(reply.status, reply.body))


def _text(status: bytes, body: bytes) -> bytes:
    kind = b"text/html" if body.startswith(b"<") else b"application/json"
    return _HEAD % (status, kind, len(body), body)


def _content_length(headers: bytes) -> int:
    _, _, behind = headers.lower().partition(b"content-length:")
    return int(behind.partition(b"\r\n")[0] or 0)


async def serve(settings: Settings) -> None:
    """Answer until the standard input ends."""
    loop = asyncio.get_running_loop()
    portal = Portal(settings)
    server = await loop.create_server(lambda: Connection(portal), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Settings.from_arguments(__doc__.splitlines()[0])))
