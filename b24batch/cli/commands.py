"""The commands of the program: each takes the arguments and returns an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from b24batch.aliases import JsonValue
from b24batch.calls.chunks import MAX_COMMANDS
from b24batch.cli import demo as story
from b24batch.cli.file_run import FileRun
from b24batch.cli.lines import Lines, Report
from b24batch.cli.params import parse_params
from b24batch.cli.rows import JsonLines, Table, copy_rows
from b24batch.cli.terminal import Exit, open_input, open_output, say, tell_wait
from b24batch.errors import AnswerLost, UsageError
from b24batch.results import AjaxResult
from b24batch.sandbox import Portal
from b24batch.session import Session
from b24batch.wire.retries import RetryPolicy

if TYPE_CHECKING:
    from b24batch.cli.watched_journal import WatchedJournal

_NO_PORTAL = "which portal? Put its webhook URL into B24_WEBHOOK_URL, or pass --webhook or --sandbox"


def call(arguments: Namespace) -> Exit:
    """Call one method and print its result."""
    params = parse_params(arguments.params, arguments.json)
    with _open_session(arguments) as b24:
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


def run(arguments: Namespace) -> Exit:
    """Send a file of commands, and print the outcome of each."""
    with _open_file(arguments.file) as file, _open_session(arguments) as b24, _open_journal(arguments.journal) as kept:
        lines, report = Lines(file, named=kept is not None), Report(open_output())
        outcomes = b24.stream_batch(
            lines.commands(),
            halt_on_error=arguments.halt,
            stop_on_error=arguments.stop,
            chunk_size=arguments.chunk_size,
            concurrency=arguments.concurrency,
            journal=kept,
            stop_after=arguments.stop_after,
            request_id=arguments.request_id,
        )
        code = FileRun(arguments.file, _get_run_options(arguments), lines, report, outcomes, kept).finish()
    _sum_up(arguments, report.summarize())
    return code


def _get_run_options(arguments: Namespace) -> list[str]:
    """Return the options with which to send the rest of a file."""
    options = [f"--{name}" for name in ("halt", "stop") if getattr(arguments, name)]
    numbers = (("--chunk-size", arguments.chunk_size, MAX_COMMANDS), ("--concurrency", arguments.concurrency, 1))
    for name, number, default in numbers:
        options += [] if number == default else [name, str(number)]
    return options


def journal(arguments: Namespace) -> Exit:
    """Say what the journal of a run has, print its unknown commands, or settle some of them."""
    from b24batch.cli.journal_report import look

    return look(arguments)


def list_rows(arguments: Namespace) -> Exit:
    """Print all rows of a list method."""
    params = parse_params(arguments.params, arguments.json)
    with _open_session(arguments) as b24:
        pages = b24.fetch_list(arguments.method, params, **_get_list_options(arguments))
        count = copy_rows(pages, Table(open_output()) if arguments.format == "csv" else JsonLines(open_output()))
    _sum_up(arguments, f"{count} rows")
    return Exit.OK


def _get_list_options(arguments: Namespace) -> dict[str, JsonValue]:
    return {
        "id_key": arguments.id_key,
        "cursor_id_key": arguments.cursor_id_key,
        "result_key": arguments.result_key,
        "paging": arguments.paging,
        "descending": arguments.descending,
        "concurrency": arguments.concurrency,
        "request_id": arguments.request_id,
    }


def demo(arguments: Namespace) -> Exit:
    """Show what the library does, on the user's portal or on a sandbox."""
    url = arguments.webhook
    if url is None:
        url = os.environ.get("B24_WEBHOOK_URL") or None
    if url is None:
        story.run_on_sandbox()
    else:
        story.run_on_portal(url)
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


@contextlib.contextmanager
def _open_session(arguments: Namespace) -> Iterator[Session]:
    """Open a session on the portal named by the arguments or the environment."""
    retries = RetryPolicy(attempts=arguments.attempts)
    on_wait = None if arguments.quiet else tell_wait
    if arguments.sandbox:
        with Portal(record=False) as portal, portal.session(retries=retries, on_wait=on_wait) as b24:
            yield b24
        return
    url = os.environ.get("B24_WEBHOOK_URL") if arguments.webhook is None else arguments.webhook
    if url is None or (not url and arguments.webhook is None):
        raise UsageError(_NO_PORTAL)
    with Session(url, retries=retries, on_wait=on_wait) as b24:
        yield b24


def _open_journal(path: str | None) -> contextlib.AbstractContextManager[WatchedJournal | None]:
    if path is None:
        return contextlib.nullcontext()
    from b24batch.cli.watched_journal import WatchedJournal

    return WatchedJournal(path)


def _open_file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    try:
        if name == "-":
            return contextlib.nullcontext(open_input())
        return Path(name).open("rb")
    except OSError as error:
        reason = error.strerror
    raise UsageError(f"{name} cannot be read: {reason}")


def _sum_up(arguments: Namespace, sentence: str) -> None:
    if not arguments.quiet:
        say(sentence)
