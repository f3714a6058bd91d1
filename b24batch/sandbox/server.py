"""The HTTP side: sockets, threads, and answers as bytes."""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from b24batch.sandbox.answers import CORS, Answer
from b24batch.sandbox.incoming import Wire
from b24batch.sandbox.php_values import JSON

#: Takes a request and returns its answer, or None to close the connection without one.
Respond = Callable[[Wire], Answer | None]

#: Seconds between looks at whether the server shall stop: short, since every ``with Portal()`` waits for it.
_POLL = 0.02

#: Seconds that closing waits for a handler which does not end.
_PATIENCE = 5.0


class Server(ThreadingHTTPServer):
    """An HTTP/1.1 server on loopback with a thread for every connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Respond) -> None:
        """Bind the port (0: any free one) on 127.0.0.1; nothing is served before `start`."""
        self.respond = respond
        self.counter = itertools.count(1)
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__(("127.0.0.1", port), Connection)

    def server_bind(self) -> None:
        """Bind without the look-up of the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close every socket and wait for every thread."""
        self.shutdown()
        self.server_close()
        self._thread.join()
        for thread, connection in list(self._open.items()):
            _hang_up(connection)
            thread.join(_PATIENCE)

    def process_request(self, request: JSON, client_address: JSON) -> None:
        """Serve a connection in a thread, known from its first moment on so that `stop` finds it."""
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        self._open[thread] = request
        thread.start()

    def _serve(self, request: socket.socket, client_address: tuple[str, int]) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._open.pop(threading.current_thread(), None)

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
        body = self._body()
        if body is None:
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.respond(Wire(self.command, self.path, headers, body, self.number))
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8", **CORS, **answer.headers}
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _body(self) -> bytes | None:
        """Return the whole body, or None when it cannot be read to its end."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            with contextlib.suppress(ValueError):
                return self._chunks()
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            return None
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _chunks(self) -> bytes | None:
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
