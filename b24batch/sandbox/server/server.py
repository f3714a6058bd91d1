"""The HTTP side: sockets, threads, and answers as bytes."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from b24batch.sandbox.php.values import JSON
from b24batch.sandbox.server.answers import Answer
from b24batch.sandbox.server.incoming import Wire
from b24batch.sandbox.server.travel import Then

#: Takes a request and returns its answer.
Respond = Callable[[Wire], Answer]

#: Lets seconds pass, and returns whether the portal is still open.
Pause = Callable[[float], bool]

#: Seconds between looks at whether the server shall stop, where shutting its socket down does not wake it up (macOS,
#: Windows): short, since every ``with Portal()`` waits for it.
_POLL = 0.02

#: Seconds that closing waits for a handler which does not end.
_PATIENCE = 5.0

#: ``SO_LINGER`` on, with no time: closing resets the connection.
_NO_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Server(ThreadingHTTPServer):
    """An HTTP/1.1 server on loopback with a thread for every connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond, pause: Pause) -> None:
        """Bind the port (0: any free one) on 127.0.0.1; nothing is served before `start`."""
        self.respond = respond
        self.pause = pause
        self.counter = itertools.count(1)
        self._open: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Connection)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def start(self) -> None:
        """Serve in a separate thread."""
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every socket and wait for every thread."""
        _hang_up(self.socket)
        self.shutdown()
        self.server_close()
        self._thread.join()
        self.hang_up()

    def cut(self) -> None:
        """End every connection: what a thread still answers goes nowhere."""
        for connection in list(self._open.values()):
            _hang_up(connection)

    def hang_up(self) -> None:
        """Close every connection, wait for every thread that serves one, and number connections from 1 again."""
        with self._lock:
            threads = list(self._open)
        self.cut()
        for thread in threads:
            thread.join(_PATIENCE)
        self.counter = itertools.count(1)

    def process_request(self, request: JSON, client_address: JSON) -> None:
        """Serve a connection in a thread, known from its first moment until it has ended so that `stop` finds it."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            thread.start()
            self._open = {each: taken for each, taken in self._open.items() if each.is_alive()} | {thread: request}

    def handle_error(self, request: JSON, client_address: JSON) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class Connection(BaseHTTPRequestHandler):
    """One connection of a client, kept alive as HTTP/1.1 has it."""

    protocol_version = "HTTP/1.1"
    # One packet if it fits; if not, Nagle's algorithm would delay the last one by 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Number the connection."""
        super().setup()
        self.number = next(self.server.counter)

    def serve(self) -> None:
        """Answer one request of any verb."""
        body = self._read_body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.respond(Wire(self.command, self.path, headers, body, self.number)))

    def _send(self, answer: Answer) -> None:
        travel, body = answer.travel, b"" if self.command == "HEAD" else answer.body
        self.close_connection |= answer.closes
        for count, piece in enumerate(travel.pieces(self._make_head(answer), body)):
            if count and not self.server.pause(travel.pause):
                self.close_connection = True
                return
            self.connection.sendall(piece)
        self._end(travel.then)

    def _make_head(self, answer: Answer) -> bytes:
        reason = self.responses.get(answer.status, ("",))[0]
        about = {"Server": self.version_string(), "Date": self.date_time_string(), **answer.head()}
        lines = [f"{self.protocol_version} {int(answer.status)} {reason}", *map(": ".join, about.items())]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")

    def _end(self, then: Then) -> None:
        self.close_connection |= then != "keep"
        while then == "hang" and self.connection.recv(65536):
            pass
        if then == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            # Only a close with no shutdown before it resets, and it must come before the files on the socket close.
            socket.close(self.connection.detach())

    def _read_body(self) -> bytes | None:
        """Return the whole body, or None if it is incomplete."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            with contextlib.suppress(ValueError):
                return self._read_chunks()
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            return None
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _read_chunks(self) -> bytes | None:
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


for _verb in ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Connection, f"do_{_verb}", Connection.serve)
