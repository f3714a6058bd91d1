"""The commands of the program: each takes the arguments and returns an exit code."""

from __future__ import annotations

import contextlib
import json
import sys
from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from b24batch.aliases import JsonValue
from b24batch.cli import demo as story
from b24batch.cli.file_arguments import repeat_options
from b24batch.cli.file_run import FileRun
from b24batch.cli.inputs import open_part
from b24batch.cli.lines import Lines, Report
from b24batch.cli.log import telling_log
from b24batch.cli.outcomes_file import Remainder
from b24batch.cli.params import parse_params
from b24batch.cli.progress import showing
from b24batch.cli.rows import JsonLines, Table, copy_rows, count_rows
from b24batch.cli.terminal import Exit, open_output, say
from b24batch.errors import AnswerLost, UsageError
from b24batch.results import AjaxResult
from b24batch.sandbox import Portal
from b24batch.session import Session

if TYPE_CHECKING:
    from b24batch.cli.watched_journal import WatchedJournal


@telling_log
def call(arguments: Namespace, b24: Session) -> Exit:
    """Call one method and print its result."""
    params = parse_params(arguments.params, arguments.json)
    try:
        row = b24.call(arguments.method, params, request_id=arguments.request_id)
    except AnswerLost as error:
        say(f"{arguments.method}: {error}; it may have been executed")
        return Exit.UNKNOWN
    except KeyboardInterrupt as interrupt:
        executed = "may have been" if vars(interrupt).get("request_sent", True) else "was not"
        say(f"{arguments.method}: interrupted; it {executed} executed")
        raise
    try:
        open_output().write(f"{json.dumps(row.data, ensure_ascii=False, indent=2)}\n")
        sys.stdout.flush()
    except BaseException:
        say(f"{arguments.method}: it was executed, but its result could not be written")
        raise
    _sum_up(arguments, f"{arguments.method}: ok{_describe_counts(row)}")
    return Exit.OK


def _describe_counts(row: AjaxResult) -> str:
    counted = {"total rows": row.total, "next page: start": row.next}
    return "".join(f", {what} = {count}" for what, count in counted.items() if count is not None)


@telling_log
def run(arguments: Namespace, b24: Session) -> Exit:
    """Send a file of commands, and print the outcome of each."""
    with (
        open_part(arguments) as (part, remainder),
        _open_journal(arguments.journal) as kept,
        showing(arguments, b24, "commands", part.count) as (session, progress),
    ):
        lines, report = Lines(part, named=kept is not None), Report(open_output(), progress)
        outcomes = session.stream_batch(lines.commands(), **_get_run_options(arguments), journal=kept)
        options = partial(repeat_options, arguments)
        code = FileRun(arguments.file, options, lines, report, outcomes, kept).finish()
    _sum_up(arguments, report.summarize())
    return code if remainder is None else _tell_uncertain(arguments, remainder, code)


def _get_run_options(arguments: Namespace) -> dict[str, Any]:
    return {
        "halt_on_error": arguments.halt,
        "stop_on_error": arguments.stop,
        "chunk_size": arguments.chunk_size,
        "concurrency": arguments.concurrency,
        "stop_after": arguments.stop_after,
        "request_id": arguments.request_id,
    }


def _tell_uncertain(arguments: Namespace, remainder: Remainder, code: Exit) -> Exit:
    """Say which commands are not sent even though their outcome is not certain, and return the exit code."""
    for sentence in remainder.describe(arguments.remaining):
        say(sentence)
    if code >= Exit.HUNG_UP:
        return code
    if remainder.unknown:
        return Exit.UNKNOWN
    return Exit.FAILED if remainder.untold.groups and code is Exit.OK else code


def journal(arguments: Namespace) -> Exit:
    """Say what the journal of a run has, print its unknown commands, or settle some of them."""
    from b24batch.cli.journal_report import look

    return look(arguments)


@telling_log
def list_rows(arguments: Namespace, b24: Session) -> Exit:
    """Print all rows of a list method."""
    if arguments.format != "csv" and (arguments.delimiter or arguments.bom):
        raise UsageError(f"--{'delimiter' if arguments.delimiter else 'bom'} needs --csv")
    params = parse_params(arguments.params, arguments.json)
    with showing(arguments, b24, "rows", lambda: arguments.limit) as (session, progress):
        pages = session.fetch_list(arguments.method, params, **_get_list_options(arguments))
        rows = _make_table(arguments) if arguments.format == "csv" else JsonLines(open_output())
        count = copy_rows(progress.over(pages), rows)
    _sum_up(arguments, count_rows(count))
    return Exit.OK


def _make_table(arguments: Namespace) -> Table:
    return Table(open_output(), arguments.delimiter or ",", mark=arguments.bom)


def _get_list_options(arguments: Namespace) -> dict[str, JsonValue]:
    return {
        "id_key": arguments.id_key,
        "cursor_id_key": arguments.cursor_id_key,
        "result_key": arguments.result_key,
        "paging": arguments.paging,
        "descending": arguments.descending,
        "limit": arguments.limit,
        "concurrency": arguments.concurrency,
        "request_id": arguments.request_id,
    }


def demo(arguments: Namespace) -> Exit:
    """Show what the library does, on the user's portal or on a sandbox."""
    if arguments.webhook is None:
        story.run_on_sandbox()
    else:
        story.run_on_portal(arguments.webhook)
    return Exit.OK


def sandbox(arguments: Namespace) -> Exit:
    """Run a sandbox portal until Ctrl-C."""
    portal = Portal(record=False, port=arguments.port)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            portal.start()
        except OSError as error:
            say(f"port {arguments.port} cannot be used: {error.strerror}")
            return Exit.FAILED
        print(portal.url, flush=True)
        if not arguments.quiet:
            print(
                "This is the webhook URL: b24batch.Session(URL). Everything is kept in memory. Press Ctrl-C to stop.",
                flush=True,
            )
        portal.serve_forever()
    return Exit.OK


def _open_journal(path: str | None) -> contextlib.AbstractContextManager[WatchedJournal | None]:
    if path is None:
        return contextlib.nullcontext()
    from b24batch.cli.watched_journal import WatchedJournal

    return WatchedJournal(path)


def _sum_up(arguments: Namespace, sentence: str) -> None:
    if not arguments.quiet:
        say(sentence)
