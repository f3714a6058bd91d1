"""Results: one outcome per command, in input order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Generic, Self, TypeAlias, cast, get_args, overload

import attrs

from b24batch.aliases import JsonValue
from b24batch.calls.commands import Command
from b24batch.calls.references import Ref
from b24batch.calls.remaining import Remaining
from b24batch.errors import ErrorCode, SdkError, UsageError
from b24batch.redaction import shown
from b24batch.results.named_values import NamedValues
from b24batch.results.outcome import AjaxResult as AjaxResult
from b24batch.results.rows import Rows, to_record
from b24batch.statuses import Status, count_outcomes

if TYPE_CHECKING:  # type checkers know of a default in every version of Python
    from typing_extensions import TypeVar

    Data = TypeVar("Data", default=JsonValue)
else:
    from typing import TypeVar

    Data = TypeVar("Data")


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
        if self._data is None or (type(self._data) is dict and not self._whole_rows):  # a dict after it was pickled
            object.__setattr__(self, "_data", self._values())
        return cast(Data, self._data)

    def _values(self) -> list[JsonValue] | dict[str, JsonValue]:
        if self._whole_rows:
            return self._by_name.copy() if self.named else list(self.rows)
        return NamedValues(self.rows) if self.named else [row.data for row in self.rows if row.is_success]

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
        return {key: row.error for key, row in zip(self._list_keys(), self.rows, strict=True) if row.error is not None}

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
        remaining = Remaining(self._find_value)
        for place, row in enumerate(self.rows):
            if row.not_executed:
                remaining.add(place, row.command)
        return remaining.commands

    def _find_value(self, reference: Ref) -> JsonValue:
        row = self[reference.target]
        return reference.find_in(row.data, row.total, row.next) if row.is_success else None

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
        return f"{count_outcomes(row.status for row in self.rows)}{first}"

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the whole result, without the parameters, as a dict that can be dumped as JSON."""
        return {"is_success": self.is_success, "rows": [row.to_dict() for row in self.rows]}

    def to_records(self) -> list[dict[str, JsonValue]]:
        """Return one flat dict per command, for ``pandas.DataFrame``, CSV or JSON.

        The keys are ``position``, ``name`` (or None), ``method``, ``status``, ``data``, ``error`` (its code, or None),
        ``error_type`` (its class, or None), ``description`` (of the error, or None), ``total``, ``http_status`` and
        ``request_id``.
        """
        return [to_record(row, position) for position, row in enumerate(self.rows)]

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

    def _list_keys(self) -> list[int | str]:
        return [row.command.name or "" for row in self.rows] if self.named else list(range(len(self.rows)))


AnyResult: TypeAlias = Result[JsonValue]
AnyResult.__doc__ = "A `Result` whose calls may have been a list or a mapping."


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
