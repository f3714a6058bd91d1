"""Gates between a client and a portal: sockets on loopback that relay a request, or do what a bad network does."""

import select
import socket
import ssl
import struct
import threading

RESET = struct.pack("ii", 1, 0)


class Gate:
    """A server that handles one request a connection, in the way `mode` says at the moment of its arrival.

    It relays to the portal at `upstream` and answers with ``Connection: close``, so that each request is a new
    connection. With `certificate`, an `ssl.SSLContext`, it speaks TLS. As a proxy it takes CONNECT to `tunnel`.
    """

    def __init__(self, upstream, *, certificate=None, tunnel=None):
        self.upstream = upstream
        self.certificate = certificate
        self.tunnel = tunnel
        self.mode = relay
        self.closed = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while not self.closed.is_set():
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.handle, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def handle(self, connection):
        with connection:
            try:
                self.mode(self, connection)
            except (OSError, ssl.SSLError):
                return

    def secured(self, connection, certificate=None):
        context = certificate or self.certificate
        return context.wrap_socket(connection, server_side=True) if context else connection

    def close(self):
        self.closed.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for thread in self.threads:
            thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def read_request(connection):
    """The head and the body of one request."""
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("hung up")
        text += part
    head, _, body = text.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head, body


def upstream_answer(gate, head, body):
    """Everything the portal answers to a request that is passed on to it."""
    path = head.split(b" ")[1]
    path = b"/" + path.split(b"/", 3)[3] if path.startswith(b"http") else path
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: portal", b"Connection: close"]
    lines += [line for line in head.split(b"\r\n")[1:] if line.lower().startswith((b"content-", b"x-request-id"))]
    with socket.create_connection(("127.0.0.1", gate.upstream)) as portal:
        portal.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = b""
        while part := portal.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close\r\n\r\n" + body


def relay(gate, connection):
    """Pass the request on, and the answer back."""
    with gate.secured(connection) as secured:
        head, body = read_request(secured)
        if head.startswith(b"CONNECT"):
            secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with socket.create_connection(("127.0.0.1", gate.tunnel)) as far:
                splice(secured, far)
        else:
            secured.sendall(upstream_answer(gate, head, body))


def splice(near, far):
    """Carry bytes both ways until one side hangs up."""
    while True:
        for source in select.select([near, far], [], [])[0]:
            part = source.recv(65536)
            if not part:
                return
            (far if source is near else near).sendall(part)


def hang_up(gate, connection):
    """Close as soon as somebody connects."""


def reset(gate, connection):
    """Reset as soon as somebody connects and says something."""
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def stall(gate, connection):
    """Take the connection and never say a word."""
    gate.closed.wait(5)


def relay_and_close(gate, connection):
    """Pass the request on, and hang up instead of answering."""
    with gate.secured(connection) as secured:
        upstream_answer(gate, *read_request(secured))


def relay_and_garbage(gate, connection):
    """Pass a TLS request on, and answer with bytes that are no TLS."""
    secured = gate.secured(connection)
    upstream_answer(gate, *read_request(secured))
    with socket.socket(fileno=secured.detach()) as plain:
        plain.sendall(b"this is no TLS record at all, and it is long enough to be taken for one\r\n" * 9)
        plain.recv(1)


def refuse_connect(gate, connection):
    """Answer a proxy's CONNECT with 502."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


def close_connect(gate, connection):
    """Hang up on a proxy's CONNECT."""
    read_request(connection)


def answer_early(gate, connection):
    """Answer 413 before anything was read, and read the request only then."""
    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
    read_request(connection)


def handshake_with(certificate):
    """Begin TLS in another way: with another certificate, or wanting one of the client."""

    def begin(gate, connection):
        with gate.secured(connection, certificate) as secured:
            read_request(secured)

    return begin


def behind(*parts):
    """Answer as the portal does, in parts of which a function of the answer makes each."""

    def serve(gate, connection):
        answer = upstream_answer(gate, *read_request(connection))
        for part in parts:
            connection.sendall(part(answer))
            gate.closed.wait(0.005)  # so that each part is a packet of its own

    return serve


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
hinted = behind(lambda answer: HINTS + b"HTTP/1.1 102 Processing\r\n\r\n", lambda answer: answer)
in_two_parts = behind(lambda answer: answer[:20], lambda answer: answer[20:])
with_more = behind(lambda answer: kept_alive(answer) + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
only_hints = behind(lambda answer: HINTS)
switching = behind(lambda answer: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + answer)
mistaken = behind(lambda answer: b"<br />\n<b>Notice</b>" + answer)


def kept_alive(answer):
    """The answer without a word that the connection ends."""
    return answer.replace(b"Connection: close\r\n", b"")


def endless(head, forever):
    """Pass the request on, and answer with `head` and then `forever`, byte by byte."""

    def serve(gate, connection):
        upstream_answer(gate, *read_request(connection))
        connection.sendall(head)
        while not gate.closed.wait(0.002):
            connection.sendall(forever)

    return serve
