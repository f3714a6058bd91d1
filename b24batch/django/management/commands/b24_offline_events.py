"""``manage.py b24_offline_events``: hands the events in a portal's queue to a function of the project."""

from __future__ import annotations

import traceback
from argparse import ArgumentTypeError
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from threading import TIMEOUT_MAX
from typing import Any, TypeAlias, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils.module_loading import import_string

from b24batch.django.management.portals import add_portal, open_portal
from b24batch.django.management.stopping import Stop, told_to_stop
from b24batch.errors import AnswerLost, SdkError, UnexpectedAnswer
from b24batch.oauth.offline import offline_events
from b24batch.oauth.offline_batch import OfflineBatch
from b24batch.redaction import redact
from b24batch.session import Session
from b24batch.wire.auth import Webhook

#: A function of the project.
Handler: TypeAlias = Callable[[Session, OfflineBatch], object]

_AGAIN = "they stay in the queue; run the command with --resume to hand them over again"


class Command(BaseCommand):
    """Calls ``HANDLER(session, batch)`` for each batch of offline events, and removes the batch when it returns."""

    help = (
        "Hand the offline events of a portal to HANDLER(session, batch), batch by batch. A batch is removed from the "
        "queue when HANDLER returns; if it raises, the batch stays there and the command ends. The first Ctrl-C or "
        "SIGTERM finishes the batch in hand."
    )
    requires_system_checks = ("b24batch",)

    def add_arguments(self, parser: Any) -> None:
        """Add the function, the portal, and how events are fetched."""
        parser.add_argument("handler", metavar="HANDLER", help="a function, such as shop.events.handle")
        add_portal(parser)
        parser.add_argument("--limit", type=int, default=50, metavar="N", help="events per batch; default: %(default)s")
        about = "ask again after so many seconds, for ever; default: end when the queue is empty"
        parser.add_argument("--every", type=_to_seconds, metavar="SECONDS", help=about)
        about = "begin with events that an earlier run left reserved; only if no other run is at work"
        parser.add_argument("--resume", action="store_true", help=about)
        about = "hand over the events that were set aside, instead of the others"
        parser.add_argument("--failed", action="store_true", help=about)

    def handle(self, **options: Any) -> None:
        """Hand over the events until the queue is empty, or until a signal arrives."""
        handler = _import_handler(options["handler"])
        try:
            with told_to_stop() as told:
                count = _work(handler, options, told)
        except (AnswerLost, UnexpectedAnswer) as lost:
            failure = CommandError(f"{lost.description}\nEvents may be reserved now: {_AGAIN}", returncode=1)
        except (SdkError, ImproperlyConfigured) as error:
            failure = CommandError(str(getattr(error, "description", error)))
        except KeyboardInterrupt:
            failure = CommandError(f"interrupted\nEvents may be reserved now: {_AGAIN}", returncode=130)
        else:
            self.stdout.write(f"{count} events")
            return
        raise failure


def _import_handler(path: str) -> Handler:
    try:
        handler: Any = import_string(path)
    except ImportError as missing:
        problem = str(missing)
    else:
        if callable(handler):
            return cast("Handler", handler)
        problem = "it is not a function"
    raise CommandError(f"HANDLER: expected a function such as shop.events.handle, got {path!r}: {problem}")


def _work(handler: Handler, options: dict[str, Any], told: Stop) -> int:
    """Hand over batches, and return how many events there were."""
    count, resume, every = 0, options["resume"], options["every"]
    while not told.is_set():
        session = _open(options["alias"], options["member_id"])
        for batch in offline_events(session, limit=options["limit"], failed=options["failed"], resume=resume):
            _hand_over(session, handler, batch)
            count += len(batch)
            if told.is_set():
                return count
        resume = False
        if every is None:
            break
        told.wait(every)
    return count


def _open(alias: str, member_id: str | None) -> Session:
    """Return the session for the portal as it is installed now."""
    session = open_portal(alias, member_id)
    if isinstance(session.auth, Webhook):
        raise ImproperlyConfigured(
            f"B24BATCH[{alias!r}] is a webhook, which has no queue of events: choose an application"
        )
    return session


def _hand_over(session: Session, handler: Handler, batch: OfflineBatch) -> None:
    close_old_connections()
    done = False
    try:
        _refuse_unfinished(handler(session, batch))
        done = True
        batch.clear()
        return
    except KeyboardInterrupt:
        problem, code = "interrupted", 130
    except BaseException:  # SystemExit too: its batch is not handled
        problem, code = redact(traceback.format_exc()), 1
    what = "handled, but not removed" if done else "not handled"
    raise CommandError(
        f"{problem}\n{len(batch)} events of the batch {batch.process_id} were {what}: {_AGAIN}", returncode=code
    )


def _refuse_unfinished(returned: object) -> None:
    """Raise an error if a function has only begun, such as one with ``async`` or ``yield``."""
    if isinstance(returned, Awaitable | Iterator | AsyncIterator):
        kind = type(returned).__name__
        raise TypeError(f"expected a function that handles the batch before it returns, got one that returns a {kind}")


def _to_seconds(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) <= TIMEOUT_MAX:
            return float(text)
    raise ArgumentTypeError("expected a positive number of seconds")
