"""What faults do with a request."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.server.answers import Answer, PortalError, page, refusal
from b24batch.sandbox.server.travel import CLOSED, Travel


@attrs.frozen
class Exchange:
    """A request that a fault handles.

    Attributes:
        execute: Executes the first n commands of the request, None for all, and returns the answer.
        sleep: Waits for a number of seconds by the portal's clock.
        target: The path and query of the request.
        seconds: The pause that was planned.
        commands: The number of commands that was planned.

    """

    execute: Callable[[int | None], Answer]
    sleep: Callable[[float], object]
    target: str
    seconds: float
    commands: int


#: Turns a request into the answer that is sent.
Act = Callable[[Exchange], Answer]


def change(function: Callable[[Answer], Answer]) -> Act:
    """Execute, and send the answer changed by a function."""
    return lambda exchange: function(exchange.execute(None))


def answer(given: Answer) -> Act:
    """Execute, and answer this."""
    return change(lambda _answer: given)


def send(travel: Travel) -> Act:
    """Execute, and send the answer this way."""
    return change(lambda answer: attrs.evolve(answer, travel=travel))


def call_first(act: Callable[[], object]) -> Act:
    """Call a function, then execute."""

    def act_first(exchange: Exchange) -> Answer:
        """Call the function, then execute."""
        act()
        return exchange.execute(None)

    return act_first


def answer_only(answer: Answer) -> Act:
    """Answer this, and execute nothing."""
    return lambda _exchange: answer


def refuse(error: PortalError) -> Act:
    """Answer this error, and execute nothing."""
    return answer_only(refusal(error))


def delay(exchange: Exchange) -> Answer:
    """Execute, and answer later."""
    answer = exchange.execute(None)
    exchange.sleep(exchange.seconds)
    return answer


def drip(exchange: Exchange) -> Answer:
    """Execute, and send the body byte by byte."""
    return attrs.evolve(exchange.execute(None), travel=Travel(piece=1, pause=exchange.seconds))


def die(exchange: Exchange) -> Answer:
    """Execute the first commands, and answer nothing."""
    return attrs.evolve(exchange.execute(exchange.commands), travel=CLOSED)


def move(exchange: Exchange) -> Answer:
    """Redirect the client, including the credentials in the address, as a portal does."""
    return page("302 Found", 302, {"Location": f"https://moved.example{exchange.target}"})
