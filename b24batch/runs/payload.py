"""The bodies of requests and answers: writes commands into a request, and reads their outcomes from its answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from b24batch.aliases import JsonValue, WireParams
from b24batch.calls.chunks import Chunk
from b24batch.calls.commands import Command
from b24batch.calls.words import DIRECT_ANSWER, BatchAnswer, make_batch_request
from b24batch.errors import AnswerLost, SdkError
from b24batch.redaction import mask
from b24batch.results import AjaxResult
from b24batch.runs.elements import find_failed_elements
from b24batch.statuses import Status
from b24batch.wire.answers import Answer, to_text
from b24batch.wire.codes import choose_command_error_class
from b24batch.wire.extra import read_extra

#: A portal counts rows in 64 bits.
_MOST_ROWS = 2**63 - 1


def dump(chunk: Chunk, *, halt: bool) -> tuple[str, WireParams]:
    """Return the method and the body of the request that carries `chunk`."""
    if chunk.alone is not None:
        return chunk.alone.command.method, chunk.alone.params or {}
    return make_batch_request({command.name: command.text for command in chunk.commands}, halt=halt)


def load(chunk: Chunk, answer: Answer, *, halt: bool) -> list[AjaxResult]:
    """Return the outcome of each command of `chunk`, in order, whatever the answer contains."""
    if chunk.alone is not None:
        return [load_direct(chunk.alone.command, answer)]
    return list(_read_rows(chunk, answer, BatchAnswer(answer.envelope["result"]), halt=halt))


def load_direct(command: Command, answer: Answer) -> AjaxResult:
    """Return the outcome of a command that was called directly."""
    return _make_ok(command, answer, map(answer.envelope.get, DIRECT_ANSWER))


def _read_rows(chunk: Chunk, answer: Answer, maps: BatchAnswer, *, halt: bool) -> Iterator[AjaxResult]:
    halted = False
    for encoded in chunk.commands:
        name, command = encoded.name, encoded.command
        succeeded, refused = name in maps.result, name in maps.error
        if succeeded and not refused:
            total, following, time = maps.total.get(name), maps.next.get(name), maps.time.get(name)
            yield _make_ok(command, answer, (maps.result[name], total, following, time))
        elif refused and not succeeded:
            halted = halt
            yield _make_not_ok(command, answer, "failed", _make_command_error(command, maps.error[name], answer))
        elif halted and not refused:
            yield _make_not_ok(command, answer, "skipped")
        else:
            yield _make_not_ok(command, answer, "unknown", _make_untold_error(answer))


def _make_ok(command: Command, answer: Answer, values: Iterable[JsonValue]) -> AjaxResult:
    data, total, following, time = values
    return AjaxResult(
        command,
        "ok",
        data,
        find_failed_elements(command.method, data, answer.secrets),
        _count(total),
        _count(following),
        time if isinstance(time, dict) else None,
        answer.http_status,
        answer.request_id,
    )


def _count(value: JsonValue) -> int | None:
    """Return a number of rows, which may also be digits in a string or a whole float; None if it is invalid."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= len(str(_MOST_ROWS)):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_ROWS else None


def _make_not_ok(command: Command, answer: Answer, status: Status, error: SdkError | None = None) -> AjaxResult:
    return AjaxResult(command, status, error=error, http_status=answer.http_status, request_id=answer.request_id)


def _make_command_error(command: Command, entry: JsonValue, answer: Answer) -> SdkError:
    fields = entry if isinstance(entry, dict) else {"error": entry}
    code = to_text(fields.get("error"))
    return choose_command_error_class(code)(
        mask(to_text(fields.get("error_description")), answer.secrets),
        code=mask(code, answer.secrets),
        method=command.method,
        extra=read_extra(fields, answer.secrets),
        http_status=answer.http_status,
        request_id=answer.request_id,
    )


def _make_untold_error(answer: Answer) -> AnswerLost:
    description = "the answer does not say what became of this command"
    return AnswerLost(description, http_status=answer.http_status, request_id=answer.request_id)
