"""Serve a portal: bind its port, wait by its clock, and end every wait when it closes."""

from __future__ import annotations

import abc
import contextlib
import threading
from types import TracebackType
from typing import TypeVar

from b24batch.sandbox.clocks import Clock, SystemClock
from b24batch.sandbox.fake_clock import FakeClock
from b24batch.sandbox.server.answers import Answer
from b24batch.sandbox.server.incoming import Wire
from b24batch.sandbox.server.server import Server

#: The class of the portal itself. Some editors take `Self` for the class in which the method is written.
_Portal = TypeVar("_Portal", bound="Serving")


class Serving(abc.ABC):
    """Base of a portal that can be started, closed and started again at the same address."""

    def __init__(self, clock: Clock | None, port: int) -> None:
        """Serve nothing yet; `start` binds the port."""
        self._real_clock = SystemClock()
        self._given_clock = clock
        self._port = port
        self._server: Server | None = None
        self._closed = threading.Event()

    @property
    def clock(self) -> Clock:
        """The portal's clock."""
        return self._given_clock or self._real_clock

    def start(self: _Portal) -> _Portal:
        """Bind the port and serve in the background; a closed portal can be started again at the same address."""
        if self._server is None:
            self._resume()
            self._server = Server(self._port, self._respond, self._pause)
            self._port = self._server.server_port
            self._server.start()
        return self

    def close(self) -> None:
        """Close all connections and end all threads; data and records are kept."""
        server, self._server = self._server, None
        self._interrupt()
        if server is not None:
            server.stop()

    def serve_forever(self) -> None:
        """Serve in the foreground until Ctrl-C, or until another thread calls `close`."""
        with contextlib.suppress(KeyboardInterrupt), self:
            # A wait without a timeout cannot be interrupted on every platform.
            while not self._closed.wait(1.0):
                pass

    def __enter__(self: _Portal) -> _Portal:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @abc.abstractmethod
    def _respond(self, wire: Wire) -> Answer:
        """Answer a request."""

    def _origin(self) -> str:
        if not self._port:
            raise RuntimeError("the portal is not started, so it has no address: call start() or use a with block")
        return f"http://127.0.0.1:{self._port}"

    def _pause(self, seconds: float) -> bool:
        """Wait for the seconds, or until the portal closes, and return whether it is still open."""
        if isinstance(self.clock, FakeClock):
            self.clock.wait(self._closed, seconds)
        else:
            self.clock.sleep(seconds)
        return not self._closed.is_set()

    def _hang_up(self) -> None:
        """Close all connections, then end all pauses, and go on serving."""
        if self._server is not None:
            self._server.cut()
        self._interrupt()
        if self._server is not None:
            self._server.hang_up()
            self._resume()

    def _interrupt(self) -> None:
        """End all pauses."""
        self._closed.set()
        self._real_clock.wake()

    def _resume(self) -> None:
        """Allow pauses again."""
        self._closed.clear()
        self._real_clock.rest()
