"""What a journal keeps of a command, and what that means when the run is started again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b

import attrs

from b24batch import errors
from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand, write_batch_text
from b24batch.calls.references import Ref
from b24batch.errors import AnswerLost, Evidence, SdkError, UnexpectedAnswer, UsageError
from b24batch.results import AjaxResult
from b24batch.statuses import Status

#: Bytes of a digest: 96 bits, so that two commands of a long run never share one by chance.
_DIGEST_SIZE = 12
#: Why a command is ``unknown`` if its run ended before the answer.
CUT_OFF = "the run was cut off before the answer came"
_TOO_DEEP = "the answer is nested too deep for the journal, which does not have it"


@attrs.frozen
class Noted:
    """What a journal knows of one command.

    Attributes:
        key: Its name, or its position as text.
        position: Its position in the calls; None if it is not known.
        method: Its method.
        status: ``ok``, ``failed``, ``skipped`` or ``unknown``.
        data: What the method returned.
        error: The error; None without one.
        request_id: The ``X-Request-ID`` of its last request.
        sent_at: The Unix time at which that was sent.
    """

    key: str
    position: int | None
    method: str
    status: Status
    data: JsonValue
    error: SdkError | None
    request_id: str | None
    sent_at: float | None


@attrs.frozen
class Kept:
    """The texts that a journal stores for one command.

    Attributes:
        digest: See `digest_of`.
        status: Its outcome; the beginning of a life leaves none as ``sent``.
        data: JSON, or None.
        error: JSON of the error, or None.
        total: As in `AjaxResult`.
        next: As in `AjaxResult`.
        http_status: As in `AjaxResult`.
        request_id: As in `AjaxResult`.
    """

    digest: str
    status: Status
    data: str | None
    error: str | None
    total: int | None
    next: int | None
    http_status: int | None
    request_id: str | None


def digest_of(encoded: EncodedCommand) -> str:
    """Return a digest of a command's method and params, as hexadecimal text. It is the same with halt on and off."""
    return blake2b((encoded.text or _text_of(encoded)).encode(), digest_size=_DIGEST_SIZE).hexdigest()


def fate_of(
    encoded: EncodedCommand, kept: Kept | None, journal: str, repeatable: Callable[[Command], bool]
) -> AjaxResult | None:
    """Return the outcome of a command in an earlier life of its run; None if it is to be sent.

    Args:
        encoded: The command.
        kept: What the journal has under its name.
        journal: The journal's name, for messages.
        repeatable: Tells whether a command may safely run twice.

    Raises:
        UsageError: Another command with this name ran, or may have run.
    """
    if kept is None or kept.status == "skipped":
        return None
    is_same = kept.digest == digest_of(encoded)
    if kept.status == "failed" and (not is_same or load_error(kept.error, kept.request_id).not_executed):
        return None
    if not is_same:
        reason = f"{journal} has another command as {encoded.name!r}, and its outcome is {kept.status}"
        raise UsageError(f"{encoded.label}: {reason}; give commands names of your own, or start a new journal")
    if kept.status == "unknown" and repeatable(encoded.command):
        return None
    return _load(encoded.command, kept)


def dump(row: AjaxResult, *, perhaps: bool) -> tuple[str, str | None, str | None, int | None, int | None]:
    """Return what is stored of an outcome: status, data, error, total and next.

    Args:
        row: The outcome.
        perhaps: Whether an earlier life may have run the command: it stays ``unknown`` if this life did not run it.
    """
    data, error = None, row.error
    if perhaps and (row.status == "skipped" or (error is not None and error.not_executed)):
        return "unknown", None, LOST, None, None
    try:
        data = None if row.data is None else json.dumps(row.data)
    except RecursionError:
        error = UnexpectedAnswer(_TOO_DEEP)
    return row.status, data, dump_error(error), row.total, row.next


def dump_error(error: SdkError | None) -> str | None:
    """Return an error as JSON."""
    if error is None:
        return None
    evidence = {name: vars(error)[name] for name in Evidence.__annotations__ if name in vars(error)}
    # `schema.CLAIM` looks at the first one.
    facts = {"not_executed": error.not_executed, "type": type(error).__name__, "description": error.description}
    try:
        return json.dumps(facts | evidence, default=repr)
    except (RecursionError, ValueError, TypeError):  # odd attributes of an error of the caller's own
        return json.dumps(facts)


def load_error(text: str | None, request_id: str | None) -> SdkError:
    """Return the error of a JSON text; without a text, that of a run that was cut off."""
    if text is None:
        return AnswerLost(CUT_OFF, request_id=request_id)
    facts = json.loads(text)
    kind = getattr(errors, facts["type"], None)
    if not (isinstance(kind, type) and issubclass(kind, SdkError)):
        kind = SdkError  # an error of the caller's own
    error: SdkError = kind(
        facts["description"], **{name: facts[name] for name in Evidence.__annotations__ if name in facts}
    )
    if error.not_executed != facts["not_executed"]:
        error.not_executed = facts["not_executed"]
    return error


def _text_of(encoded: EncodedCommand) -> str:
    """Return the text of a command that is sent alone."""
    method, params = encoded.command.method, encoded.params
    with suppress(UsageError):  # it may be sent alone only because halt is off
        return write_batch_text(encoded.name, method, params, halt=True)[0]
    return json.dumps([method, params], default=Ref.text)  # by name, also if it was written by position


def _load(command: Command, kept: Kept) -> AjaxResult:
    return AjaxResult(
        command,
        kept.status,
        None if kept.data is None else json.loads(kept.data),
        load_error(kept.error, kept.request_id) if kept.error else None,
        kept.total,
        kept.next,
        http_status=kept.http_status,
        request_id=kept.request_id,
    )


#: A run that was cut off, as `dump_error` writes it.
LOST = dump_error(AnswerLost(CUT_OFF))
#: The status and error of a command that was not executed: one that an earlier life may have run, and any other.
UNKNOWN, SKIPPED = ("unknown", LOST), ("skipped", None)


def load_noted(row: tuple[str, int | None, str, Status, str | None, str | None, str | None, float | None]) -> Noted:
    """Return what a row of the journal says."""
    key, position, method, status, data, error, request_id, sent = row
    known = None if data is None else json.loads(data)
    why = load_error(error, request_id) if error is not None or status == "unknown" else None
    return Noted(key, position, method, status, known, why, request_id, sent)
