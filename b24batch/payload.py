"""The bodies of requests and answers: the only place that knows the portal's words for a batch."""

from __future__ import annotations

from collections.abc import Iterator

from b24batch.answers import Answer, text_of
from b24batch.chunks import Chunk
from b24batch.commands import Command
from b24batch.encoding import JsonValue, WireParams, redacted
from b24batch.errors import AnswerLost, SdkError, command_error_class
from b24batch.extra import extra_of
from b24batch.results import AjaxResult
from b24batch.statuses import Status


def dump(chunk: Chunk, *, halt: bool) -> tuple[str, WireParams]:
    """Return the method and the body of the request that carries `chunk`."""
    if chunk.alone is not None:
        return chunk.alone.command.method, chunk.alone.params or {}
    return "batch", {"halt": int(halt), "cmd": {command.name: command.text for command in chunk.commands}}


def load(chunk: Chunk, answer: Answer, *, halt: bool) -> list[AjaxResult]:
    """Return the outcome of each command of `chunk`, in its order.

    Raises:
        AnswerLost: When the answer is not one to a batch.
    """
    if chunk.alone is not None:
        return [load_direct(chunk.alone.command, answer)]
    return list(_rows(chunk, answer, _Maps(answer), halt=halt))


def load_direct(command: Command, answer: Answer) -> AjaxResult:
    """Return the outcome of a command that was called directly."""
    return _ok(command, answer, *(answer.envelope.get(key) for key in ("result", "total", "next", "time")))


class _Maps:
    """The five maps of an answer, each as a dict: PHP writes an empty one, or one with keys 0, 1, 2, as a list."""

    def __init__(self, answer: Answer) -> None:
        maps = answer.envelope["result"]
        if not isinstance(maps, dict) or not {"result", "result_error"} <= maps.keys():
            raise _unreadable(answer, "the answer is none to a batch")
        self.result = _map(maps["result"], answer)
        self.error = _map(maps["result_error"], answer)
        self.total = _map(maps.get("result_total"), answer)
        self.next = _map(maps.get("result_next"), answer)
        self.time = _map(maps.get("result_time"), answer)


def _map(value: JsonValue, answer: Answer) -> dict[str, JsonValue]:
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    if value is None:
        return {}
    raise _unreadable(answer, "a map of the answer is neither object nor list")


def _rows(chunk: Chunk, answer: Answer, maps: _Maps, *, halt: bool) -> Iterator[AjaxResult]:
    halted = False
    for encoded in chunk.commands:
        name, command = encoded.name, encoded.command
        succeeded, refused = name in maps.result, name in maps.error
        if succeeded and not refused:
            total, following, time = maps.total.get(name), maps.next.get(name), maps.time.get(name)
            yield _ok(command, answer, maps.result[name], total, following, time)
        elif refused and not succeeded:
            halted = halt
            yield _not_ok(command, answer, "failed", _command_error(command, maps.error[name], answer))
        elif halted and not refused:
            yield _not_ok(command, answer, "skipped")
        else:
            lost = _unreadable(answer, "the answer does not tell what became of it")
            yield _not_ok(command, answer, "unknown", lost)


def _ok(
    command: Command, answer: Answer, data: JsonValue, total: JsonValue, next: JsonValue, time: JsonValue
) -> AjaxResult:
    return AjaxResult(
        command,
        "ok",
        data,
        None,
        total if isinstance(total, int) else None,
        next if isinstance(next, int) else None,
        time if isinstance(time, dict) else None,
        answer.http_status,
        answer.request_id,
    )


def _not_ok(command: Command, answer: Answer, status: Status, error: SdkError | None = None) -> AjaxResult:
    return AjaxResult(command, status, error=error, http_status=answer.http_status, request_id=answer.request_id)


def _command_error(command: Command, entry: JsonValue, answer: Answer) -> SdkError:
    fields = entry if isinstance(entry, dict) else {"error": entry}
    code = text_of(fields.get("error"))
    return command_error_class(code)(
        text_of(fields.get("error_description")),
        code=code,
        method=command.method,
        extra=extra_of(fields, redacted),
        http_status=answer.http_status,
        request_id=answer.request_id,
    )


def _unreadable(answer: Answer, description: str) -> AnswerLost:
    return AnswerLost(description, http_status=answer.http_status, request_id=answer.request_id)
