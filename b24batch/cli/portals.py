"""The portal of a command of the program: its options, and the session on it."""

from __future__ import annotations

import contextlib
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator

from b24batch.cli.argument_types import to_positive
from b24batch.cli.log import Command
from b24batch.cli.terminal import Exit
from b24batch.errors import UsageError
from b24batch.options import Options
from b24batch.sandbox import Portal
from b24batch.session import Session
from b24batch.wire.retries import RetryPolicy

#: The variable of the environment that has the webhook's URL.
VARIABLE = "B24_WEBHOOK_URL"
_NO_PORTAL = f"which portal? Put its webhook URL into {VARIABLE}, or pass --webhook or --sandbox"


def add_portal(parser: ArgumentParser) -> None:
    """Add the options that choose a portal and how it is reached."""
    group = parser.add_argument_group("the portal")
    which = group.add_mutually_exclusive_group()
    about = f"the portal's webhook URL; others can read it (ps), so better put it into {VARIABLE}"
    which.add_argument("--webhook", metavar="URL", help=about)
    about = "use an empty portal inside this program, gone at the end, for experiments"
    which.add_argument("--sandbox", action="store_true", help=about)
    about = "send the webhook unencrypted if its URL begins with http://"
    group.add_argument("--allow-http", action="store_true", help=about)
    about = "maximum number of attempts per request, where repeating is safe; default: %(default)s"
    group.add_argument("--attempts", type=to_positive, default=5, metavar="N", help=about)
    about = "timeout to connect and between two bytes of an answer; default: 10 to connect, then 75"
    group.add_argument("--timeout", type=float, metavar="SECONDS", help=about)


def on_portal(command: Command) -> Callable[[Namespace], Exit]:
    """Return a function that opens the portal that the arguments choose, and runs `command` on it."""

    def run(arguments: Namespace) -> Exit:
        with _open_session(arguments) as b24:
            return command(arguments, b24)

    return run


@contextlib.contextmanager
def _open_session(arguments: Namespace) -> Iterator[Session]:
    options: Options = {"retries": RetryPolicy(attempts=arguments.attempts), "allow_http": arguments.allow_http}
    if arguments.timeout is not None:
        options["timeout"] = arguments.timeout
    if arguments.sandbox:
        with Portal(record=False) as portal, portal.session(**options) as b24:
            yield b24
        return
    with Session(_find_url(arguments.webhook), **options) as b24:
        yield b24


def _find_url(given: str | None) -> str:
    """Return the webhook's URL, as given or from the environment."""
    url = os.environ.get(VARIABLE) if given is None else given
    if not url and given is None:
        raise UsageError(_NO_PORTAL)
    if url and url.strip()[:1] in {"'", '"'}:
        place = VARIABLE if given is None else "--webhook"
        raise UsageError(f"{place} begins with a quotation mark: remove the quotes")
    return url or ""
