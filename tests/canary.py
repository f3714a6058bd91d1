"""Looks for a secret wherever an error or a log could show it."""

import pickle
import traceback
from pathlib import Path

TESTS = Path(__file__).parent


def texts_of(error):
    """Every text that an error, its causes and its traceback with locals can end up as, frames of tests left out."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__, vars(each).get("error")]
        waiting += [row.error for row in getattr(each, "result", None) or ()]
        yield from (str(each), repr(each), f"{each}", repr(vars(each)), repr(each.args))
        shown = traceback.TracebackException.from_exception(each, capture_locals=True)
        shown.stack[:] = [frame for frame in shown.stack if TESTS not in Path(frame.filename).parents]
        yield "".join(shown.format())


def assert_hidden(secrets, error=None, records=(), others=()):
    """Fail when one of `secrets` is in an error, a log record, or the repr, attributes or pickle of another object."""
    found = list(texts_of(error)) if error is not None else []
    found += [f"{record.getMessage()} {record.args} {record.exc_text}" for record in records]
    found += [f"{other!r} {other} {getattr(other, '__dict__', '')}" for other in others]
    assert not [text for text in found for secret in secrets if secret in text]
    for each in [*filter(None, [error]), *others]:
        assert not [secret for secret in secrets if secret.encode() in pickle.dumps(each)]
