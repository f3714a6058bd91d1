"""Portal tokens in the project's database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from typing import Any, TypeVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, IntegrityError, connections, router, transaction
from django.utils import timezone

from b24batch.django.conf import Config
from b24batch.django.database import begin, read_apart
from b24batch.oauth.stores import StoredRow, is_replaced, read_token, with_replaced
from b24batch.oauth.tokens import Token
from b24batch.redaction import Secret

_T = TypeVar("_T")
#: The access token of a row that holds a lock and no token; with spaces, as no token is.
_NONE = "no token yet"
#: How often a row that comes and goes is tried to be locked: more often than it can be by chance.
_TRIES = 100


class DjangoTokenStore:
    """Keeps tokens in the rows of `b24batch.django.PortalToken`, which all processes of a project share.

    Locks and writes use a separate database connection. A token is committed when the lock is released, and stays
    if the view's own transaction is rolled back.

    The separate connection has to wait for a transaction of the same thread that uses the row, or on SQLite the file.
    If views run in transactions on SQLite, set ``DATABASE`` to a separate database. On SQLite the connection does not
    see uncommitted data of such a transaction either, for example of Django's ``TestCase``.

    Args:
        using: The alias of the database; default None, the one that the project's routers choose.
    """

    def __init__(self, using: str | None = None) -> None:
        self._using = using
        self._held = threading.local()

    def get(self, member_id: str) -> Token | None:
        """Return the token of a portal; None if there is none.

        Raises:
            UsageError: The stored row is invalid; the message names the portal.
        """
        columns = ("access_token", "refresh_token", "expires", "client_endpoint", "member_id", "server_endpoint")
        row = self._read_row(member_id, columns, _wrap)
        return read_token(row, member_id) if row else None

    def application_token(self, member_id: str) -> Secret | None:
        """Return the application token in a portal's events; None if it is unknown."""
        kept = self._read_row(member_id, ("application_token",), lambda row: Secret(row[0]))
        return kept if kept and kept.reveal() else None

    def has_replaced(self, token: Token) -> bool:
        """Return whether a token was stored here before and has been replaced."""
        replaced = self._read_row(token.member_id, ("replaced",), lambda row: str(row[0]))
        return is_replaced(replaced or "", token.access_token)

    def put(self, token: Token, application_token: Secret | None = None, *, exchanged: Secret | None = None) -> None:
        """Store a token in place of the portal's last one; the application token stays unless a new one is given.

        Args:
            token: The new token.
            application_token: The application token in the portal's events.
            exchanged: An access token that never was in the store, and that the new one was exchanged for.
        """
        try:
            with nullcontext() if self._is_held() else self.lock(token.member_id):
                return self._write(token, application_token, exchanged)
        except DatabaseError as error:
            failure = _copy_error(error)
        except BaseException as interrupt:
            interrupt.__context__ = None
            # The frames of its traceback below this one hold the tokens.
            raise interrupt.with_traceback(None) from None
        raise failure

    @contextmanager
    def lock(self, member_id: str) -> Iterator[None]:
        """Lock the portal's row, on SQLite the file, against other threads and processes during the block.

        Raises:
            OperationalError: Only on SQLite: the lock was not free within 120 seconds, or 10 seconds if this thread
                has a transaction open.
        """
        failure: BaseException | None = None
        with ExitStack() as stack:
            begin(stack, self._alias)
            stack.callback(setattr, self._held, "now", False)
            self._held.now = True
            self._lock_row(stack, member_id)
            try:
                yield
            except BaseException as error:
                failure = error  # tokens stored before the error are still committed
        if failure is not None:
            raise failure

    def _lock_row(self, stack: ExitStack, member_id: str) -> None:
        """Lock the portal's row; without one, insert an empty one, which only this transaction sees."""
        rows, tries = self._select(member_id), _TRIES
        while not rows.select_for_update().exists() and connections[self._alias].features.has_select_for_update:
            try:
                with transaction.atomic(using=self._alias):
                    rows.create(member_id=member_id, access_token=_NONE, expires=0.0)
            except IntegrityError:  # another process has inserted it meanwhile; it may delete it as quickly
                tries -= 1
                if not tries:
                    raise
            else:
                stack.callback(self._delete_empty, member_id)
                return

    def _delete_empty(self, member_id: str) -> None:
        with suppress(DatabaseError):  # after an error of the database the transaction is rolled back
            self._select(member_id).filter(access_token=_NONE).delete()

    def _is_held(self) -> bool:
        return bool(getattr(self._held, "now", False))

    def _write(self, token: Token, application_token: Secret | None, exchanged: Secret | None) -> None:
        values = {
            "access_token": token.access_token.reveal(),
            "refresh_token": token.refresh_token and token.refresh_token.reveal(),
            "expires": token.expires,
            "client_endpoint": token.client_endpoint,
            "server_endpoint": token.server_endpoint or "",
            "replaced": self._add_replaced(token, exchanged),
            "updated": timezone.now(),
            **({"application_token": application_token.reveal()} if application_token else {}),
        }
        rows = self._select(token.member_id)
        if rows.update(**values):
            return
        try:
            with transaction.atomic(using=self._alias):
                rows.create(member_id=token.member_id, **values)
            return
        except IntegrityError as error:  # a new row cannot be locked in advance: another process was faster
            refused = _copy_error(error)
        if not rows.update(**values):
            raise refused

    def _add_replaced(self, token: Token, exchanged: Secret | None) -> str:
        kept = self._read_row(token.member_id, ("access_token", "replaced"), lambda row: (Secret(row[0]), str(row[1])))
        old, replaced = kept or (None, "")
        replaced = with_replaced(replaced, old, token.access_token)
        known = exchanged is None or is_replaced(replaced, exchanged)
        return replaced if known else with_replaced(replaced, exchanged, token.access_token)

    def _read_row(self, member_id: str, columns: tuple[str, ...], made: Callable[[tuple[Any, ...]], _T]) -> _T | None:
        """Convert a row; no frame keeps the row itself, so that a traceback cannot show it."""
        with ExitStack() as stack:
            if not self._is_held():
                read_apart(stack, self._alias)
            rows = self._select(member_id).exclude(access_token=_NONE)
            return next(map(made, rows.values_list(*columns)), None)

    def _select(self, member_id: str) -> Any:
        return _get_model().objects.using(self._alias).filter(member_id=member_id)

    @property
    def _alias(self) -> str:
        return self._using or str(router.db_for_write(_get_model()))


def get_store(config: Config) -> DjangoTokenStore:
    """Return the store with the tokens of an application."""
    return DjangoTokenStore(config.get("DATABASE"))


def _get_model() -> Any:
    try:
        return apps.get_model("b24batch", "PortalToken")
    except LookupError:
        missing = ImproperlyConfigured("portal tokens need b24batch.django: add it to INSTALLED_APPS")
    raise missing


def _wrap(row: tuple[Any, ...]) -> StoredRow:
    return (Secret(row[0]), row[1] and Secret(row[1]), *row[2:])


def _copy_error(error: DatabaseError) -> DatabaseError:
    """Return the error without its frames, which hold the written values, and without the statement."""
    return type(error)(str(error).partition("\n")[0])
