"""The commands that request the pages of a list: several in one batch, or one in a direct call."""

from __future__ import annotations

from b24batch.calls.commands import Command
from b24batch.calls.encoded import EncodedCommand, Way, encode_direct, write_batch_text
from b24batch.calls.references import walk_leaves
from b24batch.calls.values import wire_params
from b24batch.errors import UsageError

#: The number of rows in a page, fixed by the portal.
PAGE_SIZE = 50


def name_page(place: int) -> str:
    """Return the name of a page's command in its batch."""
    return f"p{place}"


def encode_alone(page: Command) -> EncodedCommand:
    """Return the command for a page, encoded for a direct call."""
    return EncodedCommand(name_page(0), page, None, params=encode_direct(page), way=Way.DIRECT)


def encode_for_batch(name: str, page: Command) -> EncodedCommand:
    """Return the command for a page, encoded for a batch; raise `UsageError` if a batch would change its params."""
    params = wire_params(page.params, page.method)
    if any(path and value in ([], {}) for path, value in walk_leaves(params)):
        raise UsageError("an empty list has a different meaning in a batch than in a direct call")
    text, _ = write_batch_text(name, page.method, params, halt=False)
    return EncodedCommand(name, page, None, text)


def encode_together(pages: list[Command]) -> list[EncodedCommand]:
    """Return the commands for one batch, or only the first one, for a direct call, if a batch would change them."""
    if len(pages) > 1:
        try:
            return [encode_for_batch(name_page(place), page) for place, page in enumerate(pages)]
        except UsageError:
            pass
    return [encode_alone(pages[0])]
