"""What the journal of a run has: its summary, its unknown commands, and what somebody found out about them."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from b24batch.aliases import JsonValue
from b24batch.cli.terminal import Exit, open_output, say, to_json_line
from b24batch.errors import JournalError, UsageError
from b24batch.journal import Journal, Noted
from b24batch.redaction import shown

#: What the journal says to those that run it; whoever only looks at it would send nothing anyway.
_SENT = re.compile(r"; nothing (more )?was sent")
#: What somebody may have found out about a command, and whether it took effect.
_FINDINGS = {"executed": True, "not-executed": False}


def look(arguments: Namespace) -> Exit:
    """Settle commands of a journal, print its unknown ones or its summary, and return the exit code."""
    try:
        return _look(arguments)
    except (JournalError, UsageError) as error:
        failure = type(error)(_SENT.sub("", error.description))
    raise failure


def _look(arguments: Namespace) -> Exit:
    with _open(arguments.file) as journal:
        if arguments.settle:
            say(f"{_settle(journal, arguments.settle)} settled")
        unknown = list(journal.rows("unknown"))
        if arguments.unknown:
            open_output().writelines(to_json_line(_describe(noted)) for noted in unknown)
            say(journal.summary())
        else:
            open_output().write(f"{journal.summary()}\n")
    return Exit.UNKNOWN if unknown else Exit.OK


def _open(path: str) -> Journal:
    if not Path(path).is_file():
        raise UsageError(f"{path} does not exist, or is not a file")
    return Journal(path)


def _settle(journal: Journal, words: Sequence[str]) -> int:
    finding, *keys = words
    if finding not in _FINDINGS:
        raise UsageError(f"--settle: expected {' or '.join(_FINDINGS)}, got {shown(finding)}")
    if not keys:
        raise UsageError(f"--settle {finding}: expected one key or more")
    return journal.settle(keys, executed=_FINDINGS[finding])


def _describe(noted: Noted) -> JsonValue:
    sent = noted.sent_at and datetime.fromtimestamp(noted.sent_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = {"key": noted.key, "position": noted.position, "method": noted.method}
    return {**facts, "sent": sent, "request_id": noted.request_id}
