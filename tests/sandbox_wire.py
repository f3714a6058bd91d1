"""A plain HTTP client for the tests of the sandbox: nothing of the library is in it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from b24batch.sandbox import Portal


def query(params: Any, name: str = "") -> str:
    """Return params as the query of a command; every value is text there."""
    pairs = params.items() if isinstance(params, dict) else enumerate(params)
    parts = []
    for key, value in pairs:
        inner = f"{name}[{quote(str(key))}]" if name else quote(str(key))
        several = isinstance(value, (dict, list)) and value
        parts.append(query(value, inner) if several else f"{inner}={quote(str(value))}")
    return "&".join(parts)


class Reply(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.text)

    @property
    def result(self) -> Any:
        """Return the result in the body."""
        return self.json["result"]


class Wire:
    """One kept-alive connection to a portal."""

    def __init__(self, portal: Portal) -> None:
        parts = urlsplit(portal.url)
        self.path = parts.path
        self.http = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)

    def __del__(self) -> None:
        self.http.close()

    def send(self, verb: str, path: str, body: bytes | str = b"", **headers: str) -> Reply:
        """Send one request and read its answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(verb, path, body.encode() if isinstance(body, str) else body, named)
        answer = self.http.getresponse()
        head = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, head, answer.read().decode())

    def call(self, method: str, params: Any = None) -> Reply:
        """Call a method with a JSON body."""
        body = json.dumps({} if params is None else params)
        return self.send("POST", self.path + method, body, Content_Type="application/json")

    def batch(self, cmd: Any, **params: Any) -> Any:
        """Run a batch and return its five maps."""
        return self.call("batch", {"cmd": cmd, **params}).result

    def command(self, method: str, params: Any) -> Any:
        """Run one command in a batch and return what a direct call would have in its body, but for the time."""
        maps = self.batch({"k": f"{method}?{query(params)}"})
        if maps["result_error"]:
            return maps["result_error"]["k"]
        rest = {name: maps[f"result_{name}"] for name in ("next", "total")}
        return {"result": maps["result"]["k"], **{name: map_["k"] for name, map_ in rest.items() if map_}}

    def both(self, method: str, params: Any) -> Any:
        """Call a method that only reads directly and in a batch, and return the answer, which is the same."""
        direct = self.call(method, params).json
        direct.pop("time", None)
        assert self.command(method, params) == direct
        return direct

    def one(self, command: str) -> Any:
        """Run one command in a batch and return its result, or its error object."""
        maps = self.batch({"k": command})
        return maps["result"]["k"] if maps["result"] else maps["result_error"]["k"]


class Raw:
    """One request over a bare socket, for answers that are none."""

    def __init__(self, portal: Portal, method: str = "batch", params: Any = None) -> None:
        parts = urlsplit(portal.url)
        self.socket = socket.create_connection(("127.0.0.1", parts.port), timeout=10)
        body = json.dumps(params or {"cmd": {"a": "echo?x=1", "b": "echo?x=2"}})
        head = f"POST {parts.path}{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read(self, hangs_after: int | None = None) -> tuple[bytes, bytes, str]:
        """Return head and body, and how it ends: with a "FIN", a "RST", or not ("open").

        Where no end is to come, ``hangs_after`` is the number of bytes of the body that are: only what comes after them
        is not waited for long, since a busy machine may take its time.
        """
        got, end = b"", "FIN"
        try:
            while part := self._receive(got, hangs_after):
                got += part
        except TimeoutError:
            end = "open"
        except ConnectionResetError:
            end = "RST"
        head, _, body = got.partition(b"\r\n\r\n")
        return head, body, end

    def _receive(self, got: bytes, hangs_after: int | None) -> bytes:
        is_over = hangs_after is not None and len(got.partition(b"\r\n\r\n")[2]) >= hangs_after
        self.socket.settimeout(0.1 if is_over else 10)
        return self.socket.recv(65536)

    def read_whole(self) -> tuple[bytes, bytes]:
        """Return head and body of an answer behind which the portal would keep the connection for another request."""
        self.socket.shutdown(socket.SHUT_WR)
        return self.read()[:2]
