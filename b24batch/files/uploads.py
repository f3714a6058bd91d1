"""Upload files to folders of a portal's Drive."""

from __future__ import annotations

import re
from contextlib import suppress

import attrs

from b24batch.aliases import JsonValue
from b24batch.errors import ExpiredToken, UnexpectedAnswer, UsageError
from b24batch.files.contents import Source, to_named
from b24batch.files.forms import Form
from b24batch.files.sessions import get_transport
from b24batch.options import hide_arguments, to_request_id
from b24batch.redaction import Secret, shown
from b24batch.session import Session
from b24batch.wire.links import Link, LinkExchange, make_post
from b24batch.wire.messages import FileFailed
from b24batch.wire.reports import Reports
from b24batch.wire.transport import Transport

_METHOD = "disk.folder.uploadfile"
#: The field that a portal names is "file".
_FIELD = re.compile(r"\w{1,100}", re.ASCII)


@hide_arguments
def upload_file(
    session: Session, folder_id: int | str, source: Source, params: dict[str, JsonValue] | None = None
) -> dict[str, JsonValue]:
    """Upload a file to a folder of the Drive, and return its row, with ``ID``, ``NAME`` and ``SIZE``.

    It takes two requests: the portal returns a link (``uploadUrl``), and the file is sent there as it is, in parts, so
    that a large one takes no memory. `deadline` bounds each request, so for a large file use
    ``session.with_options(deadline=3600)``. If the token expires meanwhile, both are sent once more.

    Args:
        session: The session.
        folder_id: The id of a folder; for a storage its ``ROOT_OBJECT_ID``.
        source: The path of a file, or a tuple of its name and its content in bytes.
        params: More parameters of ``disk.folder.uploadfile``: ``generateUniqueName`` or ``rights``. Default None.

    Raises:
        UsageError: An argument is invalid, or the portal's link leads to another host. Nothing was sent there.
        OSError: The file cannot be read.
        AjaxError: The portal refused the file, for example because the folder has one of the same name.
        AnswerLost: The file may have been stored.
        UnexpectedAnswer: The answer has no link, or not the file that was sent.
    """
    transport, form = get_transport(session), Form(*to_named(source))
    if params is not None and {"id", "data", "fileContent"} & {*params}:
        raise UsageError("params: id, data and fileContent are set by upload_file itself")
    asked: dict[str, JsonValue] = {**(params or {}), "id": folder_id}
    with suppress(ExpiredToken):  # it may expire while a large file is sent; a new link has a new one
        return _send(transport, _ask(session, asked, form), form)
    return _send(transport, _ask(session, asked, form), form)


def _ask(session: Session, params: dict[str, JsonValue], form: Form) -> Link:
    """Ask the portal for a link to send the form to, and for the name of the field in it."""
    data = session.call(_METHOD, params, idempotent=True).data
    url, field = (data.get("uploadUrl"), data.get("field")) if isinstance(data, dict) else (None, None)
    if url is None or not isinstance(field, str) or not _FIELD.fullmatch(field):
        raise UnexpectedAnswer(f"{_METHOD}: expected uploadUrl and field in the answer")
    form.field = field
    return Link.of(session.auth, Secret(url))


def _send(transport: Transport, link: Link, form: Form) -> dict[str, JsonValue]:
    """Send the form to a link, and return the row of the file."""
    headers = {"Content-Type": f"multipart/form-data; boundary={form.boundary}"}
    post = attrs.evolve(make_post(link, transport.settings), data=form, headers=headers)
    reports = Reports(transport.settings.on_request)
    exchange = LinkExchange(transport, _METHOD, b"", to_request_id(None), 0, None, reports, link=link, post=post)
    try:
        return _check(exchange.send(repeatable=False).envelope["result"], form)
    except FileFailed as failed:
        (failure,) = failed.args
    raise failure.with_traceback(None)


def _check(row: JsonValue, form: Form) -> dict[str, JsonValue]:
    if isinstance(row, dict) and "ID" in row and str(row.get("SIZE")) == str(form.size):
        return row
    size = row.get("SIZE") if isinstance(row, dict) else None
    raise UnexpectedAnswer(f"{_METHOD}: expected a file of {form.size} bytes, got one of {shown(size)}")
