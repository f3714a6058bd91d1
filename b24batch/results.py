"""Results: one outcome per command, in input order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Generic, NoReturn, Self, TypeAlias, cast, get_args, overload

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.references import Ref
from b24batch.calls.remaining import Remaining
from b24batch.errors import ErrorCode, SdkError, UsageError
from b24batch.redaction import shown
from b24batch.statuses import Status, counted

if TYPE_CHECKING:  # type checkers know of a default in every version of Python
    from typing_extensions import TypeVar

    Data = TypeVar("Data", default=JsonValue)
else:
    from typing import TypeVar

    Data = TypeVar("Data")


@attrs.frozen(repr=False)
class AjaxResult:
    """The outcome of one command.

    Attributes:
        command: The command as it was passed.
        status: Whether it took effect: ``ok``, ``failed``, ``skipped`` or ``unknown``.
        data: What the method returned; None unless the command is ``ok``.
        error: Why the command failed or is ``unknown``. None for ``skipped``, and for ``ok`` if `is_success`.
        total: The number of rows, as counted by a list method; None if it was not counted.
        next: The ``start`` of the next page of a list method; None on the last page.
        time: The portal's ``time`` block, durations in seconds; None if there was none.
        http_status: The HTTP status of the answer that contained this outcome; None if there was no answer.
        request_id: The ``X-Request-ID`` of the request; None if it was not sent.
    """

    command: Command
    status: Status
    data: JsonValue = None
    error: SdkError | None = None
    total: int | None = None
    next: int | None = None
    time: dict[str, JsonValue] | None = None
    http_status: int | None = None
    request_id: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the command is ``ok`` and has no error."""
        return self.status == "ok" and self.error is None

    @property
    def not_executed(self) -> bool:
        """Whether it is proven that the command was not executed."""
        return self.status == "skipped" or (
            self.status == "failed" and self.error is not None and self.error.not_executed
        )

    @property
    def name(self) -> str | None:
        """The name of the command; None without one."""
        return self.command.name

    @property
    def method(self) -> str:
        """The method of the command."""
        return self.command.method

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the outcome, without the parameters, as a dict that can be dumped as JSON."""
        return {
            "name": self.command.name,
            "method": self.command.method,
            "status": self.status,
            "data": self.data,
            "error": self.error and self.error.to_dict(),
            "total": self.total,
            "next": self.next,
            "time": self.time,
            "http_status": self.http_status,
            "request_id": self.request_id,
        }

    def __repr__(self) -> str:
        outcome = f"data={shown(self.data)}" if self.error is None else f"error={self.error!r}"
        return f"AjaxResult({self.command.method}, {self.status}, {outcome})"

    def _repr_html_(self) -> str:
        from b24batch.html import render_outcome

        return render_outcome(self.to_dict())


class Rows(list[AjaxResult]):
    """Some rows of a `Result`: a list, which a notebook shows as a table.

    Args:
        rows: All rows of the result.
        places: The positions of these rows.
    """

    __slots__ = ("_placed",)

    def __init__(self, rows: Sequence[AjaxResult], places: Iterable[int]) -> None:
        self._placed = [(place, rows[place]) for place in places]
        super().__init__(row for _, row in self._placed)

    def __reduce__(self) -> tuple[object, ...]:
        return list, (list(self),)

    def _repr_html_(self) -> str:
        from b24batch.html import render_result

        places = {id(row): place for place, row in self._placed}
        return render_result([_to_record(row, places.get(id(row), number)) for number, row in enumerate(self)])


def _to_record(row: AjaxResult, position: int) -> dict[str, JsonValue]:
    """Return one outcome, at its position in the run, as a flat dict."""
    error = row.error
    return {
        "position": position,
        "name": row.command.name,
        "method": row.command.method,
        "status": row.status,
        "data": row.data,
        "error": None if error is None else str(error.code),
        "error_type": None if error is None else type(error).__name__,
        "description": None if error is None else error.description,
        "total": row.total,
        "http_status": row.http_status,
        "request_id": row.request_id,
    }


class NamedValues(dict[str, JsonValue]):
    """Values by the names of their commands; the `KeyError` for a command without a value says why it has none.

    Args:
        values: The values.
        others: The outcomes of the commands that have none.
    """

    __slots__ = ("_others",)

    def __init__(self, values: Iterable[tuple[str, JsonValue]], others: Iterable[AjaxResult]) -> None:
        super().__init__(values)
        self._others = {row.command.name: row for row in others}

    def __missing__(self, name: str) -> NoReturn:
        __tracebackhide__ = True
        row = self._others.get(name)
        if row is None:
            raise KeyError(name)
        reason = "" if row.error is None else f": {row.error.code or row.error.description}"
        raise KeyError(f"{name} {row.status}{reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return dict, (dict(self),)


@attrs.frozen(repr=False, eq=False)
class Result(Generic[Data]):
    """The outcomes of all commands of a run, in input order.

    ``result[3]`` and ``result["name"]`` return the `AjaxResult` of one command, ``result[10:20]`` a list of them,
    which a notebook shows as a table.
    Iteration yields these rows, ``len`` is the number of commands, and ``in`` accepts a position or a name.

    Attributes:
        rows: One `AjaxResult` per command, whatever happened.
        named: Whether the calls were a mapping. If so, the keys of `data` and `errors` are names.
    """

    # Only these: an interrupted long run returns its result at once, and everything else is computed on access.
    rows: list[AjaxResult]
    named: bool
    _data: Data | None = None
    _whole_rows: bool = attrs.field(default=False, kw_only=True)

    @property
    def data(self) -> Data:
        """What the successful commands returned: a list in order, or a dict by name.

        The list closes up: it has no place for a command that is not successful, unlike `rows`. In the dict such a
        name is missing, and the `KeyError` says why.

        With ``return_ajax_result=True`` it is the `AjaxResult` of every command instead.
        """
        if self._data is None or type(self._data) is dict:  # a dict after it was pickled
            object.__setattr__(self, "_data", self._values())
        return cast(Data, self._data)

    def _values(self) -> list[JsonValue] | dict[str, JsonValue]:
        rows = self.rows if self._whole_rows else [row for row in self.rows if row.is_success]
        values = rows if self._whole_rows else [row.data for row in rows]
        if not self.named:
            return list(values)
        others = [] if self._whole_rows else (row for row in self.rows if not row.is_success)
        return NamedValues(((row.command.name or "", value) for row, value in zip(rows, values, strict=True)), others)

    @cached_property
    def _by_name(self) -> dict[str, AjaxResult]:
        return {row.command.name: row for row in self.rows if row.command.name is not None}

    @property
    def is_success(self) -> bool:
        """Whether every command is ``ok`` and has no error."""
        return all(row.is_success for row in self.rows)

    @property
    def errors(self) -> dict[int | str, SdkError]:
        """The errors, by position, or by name if the calls were a mapping."""
        return {key: row.error for key, row in zip(self._keys(), self.rows, strict=True) if row.error is not None}

    @property
    def error_messages(self) -> list[str]:
        """The texts of `errors`, in the same order."""
        return [str(error) for error in self.errors.values()]

    def raise_for_errors(self) -> Self:
        """Return this result if `is_success`; otherwise raise a `BatchError` that has it."""
        __tracebackhide__ = True
        if not self.is_success:
            raise BatchError(self)
        return self

    def remaining(self) -> list[Command]:
        """Return the commands that were certainly not executed, ready to be sent again.

        These are the skipped commands, and those whose whole request was never received or was refused: not sent,
        rate limit or operating time, credentials, a moved portal. Commands that the portal itself refused, and
        ``unknown`` ones, are not included.

        A reference to a command that succeeded is replaced by its value. A reference to another remaining command
        still points at it. A command that refers to any other one, such as a failed one, is left out. A name that is
        a number may clash with the new positions of other commands.
        """
        remaining = Remaining(self._value_of)
        for place, row in enumerate(self.rows):
            if row.not_executed:
                remaining.add(place, row.command)
        return remaining.commands

    def _value_of(self, reference: Ref) -> JsonValue:
        row = self[reference.target]
        return reference.found_in(row.data, row.total, row.next) if row.is_success else None

    def by_status(self, status: Status) -> list[AjaxResult]:
        """Return the rows with this status: ``ok``, ``failed``, ``skipped`` or ``unknown``.

        Raises:
            UsageError: It is another one.
        """
        __tracebackhide__ = True
        if status not in get_args(Status):
            raise UsageError(f"status: expected one of {', '.join(get_args(Status))}, got {shown(status)}")
        return Rows(self.rows, (place for place, row in enumerate(self.rows) if row.status == status))

    def summary(self) -> str:
        """Return one line: the number of commands with each outcome, and the first error."""
        first = next(((f"; first error: {shown(key)} ({error})") for key, error in self.errors.items()), "")
        return f"{self._counts()}{first}"

    def _counts(self) -> str:
        return f"{len(self.rows)} commands: {counted(row.status for row in self.rows)}"

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the whole result, without the parameters, as a dict that can be dumped as JSON."""
        return {"is_success": self.is_success, "rows": [row.to_dict() for row in self.rows]}

    def to_records(self) -> list[dict[str, JsonValue]]:
        """Return one flat dict per command, for ``pandas.DataFrame``, CSV or JSON.

        The keys are ``position``, ``name`` (or None), ``method``, ``status``, ``data``, ``error`` (its code, or None),
        ``error_type`` (its class, or None), ``description`` (of the error, or None), ``total``, ``http_status`` and
        ``request_id``.
        """
        return [_to_record(row, position) for position, row in enumerate(self.rows)]

    @overload
    def __getitem__(self, key: int | str) -> AjaxResult: ...
    @overload
    def __getitem__(self, key: slice) -> list[AjaxResult]: ...
    def __getitem__(self, key: int | str | slice) -> AjaxResult | list[AjaxResult]:
        __tracebackhide__ = True
        if isinstance(key, str):
            return self._by_name[key]
        return Rows(self.rows, range(len(self.rows))[key]) if isinstance(key, slice) else self.rows[key]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, int):
            return -len(self.rows) <= key < len(self.rows)
        return key in self._by_name

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[AjaxResult]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<Result of {self.summary()}>"

    def _repr_html_(self) -> str:
        from b24batch.html import render_result

        return render_result(self.to_records())

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._by_name)

    def _keys(self) -> list[int | str]:
        return [row.command.name or "" for row in self.rows] if self.named else list(range(len(self.rows)))


AnyResult: TypeAlias = Result[JsonValue]
AnyResult.__doc__ = "A `Result` whose calls may have been a list or a mapping."


def collect(rows: list[AjaxResult], *, named: bool = False, return_ajax_result: bool = False) -> AnyResult:
    """Return the `Result` of `rows`."""
    return Result(rows, named, whole_rows=return_ajax_result)


class BatchError(SdkError):
    """Raised by `Result.raise_for_errors`.

    Attributes:
        result: The whole result, including the successful commands.
    """

    code: ErrorCode = ErrorCode("BATCH")

    def __init__(self, result: AnyResult) -> None:
        super().__init__(result.summary())
        self.args: tuple[JsonValue, ...] = (result,)
        self.result = result


def outcomes_of(error: BaseException | Iterator[AjaxResult]) -> AnyResult | None:
    """Return the outcomes in an exception that stopped a run, in a `BatchError`, or in a stream.

    This is ``error.result`` with its type, or None if there is none. Every exception that stops a run has one, even
    `KeyboardInterrupt`. The iterator of `Session.stream_batch` has the outcomes that it has not yielded yet.
    """
    result = getattr(error, "result", None)
    return result if isinstance(result, Result) else None


@attrs.define(eq=False)
class LastResult:
    """Keeps the outcomes of the last run; a session and those made from it share one."""

    result: AnyResult | None = None

    def keep(self, result: AnyResult) -> AnyResult:
        """Keep the outcomes of a run, instead of those of the run before, and return them."""
        self.result = result
        return result

    def give(self, error: BaseException, result: AnyResult) -> None:
        """Give `error`, which stopped a run, the outcomes and a note that counts them; keep them if there are any."""
        vars(error)["result"] = result
        if result.rows:
            error.add_note(f"{self.keep(result)._counts()}; their outcomes: b24.last_result")


@attrs.define(eq=False)
class NotKept(LastResult):
    """Keeps nothing: for a run of the library's own, whose outcomes are no outcomes of the caller's commands."""

    def keep(self, result: AnyResult) -> AnyResult:
        """Return the outcomes."""
        return result

    def give(self, error: BaseException, result: AnyResult) -> None:
        """Leave the error as it is."""
