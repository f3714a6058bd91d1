"""Download files that answers of a portal link to."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from b24batch.errors import AnswerLost, PortalMoved, SdkError, UnexpectedAnswer, UsageError
from b24batch.files.contents import to_path
from b24batch.files.partial import Partial
from b24batch.files.sessions import get_transport
from b24batch.options import hide_arguments, to_flag, to_request_id
from b24batch.redaction import Secret, shown
from b24batch.session import Session
from b24batch.wire.answers import Answer, decode_object
from b24batch.wire.auth import Access
from b24batch.wire.checks import check_number
from b24batch.wire.links import Link, LinkExchange, make_post
from b24batch.wire.messages import FileFailed, Post, Reply
from b24batch.wire.reports import Reports
from b24batch.wire.transport import Transport

#: The largest request that a portal of the cloud accepts, and so the largest file of one upload, is 2 GB.
MAX_SIZE = 2 * 1024**3
#: Headers without which a portal may refuse a file (vendor's documentation, "How to Download Files"), and a request not
#: to compress it.
_HEADERS = {"Accept-Language": "en", "Accept-Encoding": "identity"}
_ADVICE = "the link may be for a browser, or has expired: take DOWNLOAD_URL or urlMachine from a new answer"


@hide_arguments
def download_file(
    session: Session,
    url: str,
    path: str | os.PathLike[str],
    *,
    size: int | str | None = None,
    max_size: int = MAX_SIZE,
    overwrite: bool = False,
) -> Path:
    """Download a file that an answer of the portal links to, and return its path.

    The file is written in parts to a temporary file beside its place, and gets its name when it is whole. If anything
    fails, also Ctrl-C, nothing is left of it. The request counts against the session's rate limit and is repeated by
    its policy; `deadline` bounds it, so for a large file use ``session.with_options(deadline=3600)``.

    Args:
        session: The session.
        url: The link, such as ``DOWNLOAD_URL`` of ``disk.file.get``: to the portal's own host, or a path on it. It is a
            secret: whoever has it can read the file.
        path: The path of the new file; or an existing folder, where the file gets the name that the portal sends.
        size: The size of the file in bytes, if it is known, such as ``SIZE``; any other size is an error. Default None.
        max_size: Maximum size in bytes. Default 2 GiB.
        overwrite: Whether to replace an existing file. Default False.

    Raises:
        UsageError: An argument is invalid, or the link leads to another host. Nothing was sent.
        FileExistsError: There is a file already, or with `overwrite` something that is not a file, such as a device.
        OSError: The file cannot be written.
        UnexpectedAnswer: The portal sent no file, but for example a page to log in, or one of another size.
        AjaxError: The portal refused it. `ExpiredToken`: the token in the link has expired, so get a new link.
        AnswerLost: The file was not received whole.
    """
    secret, most = Secret(url), check_number("max_size", max_size)
    del url
    transport = get_transport(session)
    link = Link.of(transport.auth, secret)
    place = to_path(path, "path: expected a path")
    partial = Partial(place, to_flag("overwrite", overwrite), _to_size(size), most)
    try:
        partial.open()
        _receive(transport, link, partial)
        return partial.keep()
    finally:
        partial.discard()


def _to_size(size: int | str | None) -> int | None:
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0):
        return size
    if isinstance(size, str) and size.isascii() and size.isdecimal():
        return int(size)
    raise UsageError(f"size: expected a number of bytes, got {shown(size)}")


def _receive(transport: Transport, link: Link, partial: Partial) -> None:
    headers = {"Referer": link.origin, **_HEADERS}
    post = attrs.evolve(make_post(link, transport.settings), verb="GET", headers=headers, save=partial.begin)
    how = (to_request_id(None), 0, None, Reports(transport.settings.on_request))
    exchange = Download(transport, "download", b"", *how, link=link, post=post, partial=partial)
    try:
        exchange.send(repeatable=True)
        return
    except FileFailed as failed:
        failure: BaseException = failed.args[0]
    raise failure.with_traceback(None)


@attrs.define(eq=False)
class Download(LinkExchange):
    """A request for a file and its attempts; each begins the file anew."""

    partial: Partial = attrs.field(kw_only=True)
    began: float = 0.0

    def attempt(self) -> Answer:
        """Request the file; if it was coming, but too slowly for the deadline, repeating does not help."""
        try:
            return super().attempt()
        except AnswerLost:
            if not self.partial.is_begun or self._now() - self.began < self.post.deadline:
                raise
        advice = "for a large file use session.with_options(deadline=...)"
        raise FileFailed(AnswerLost(f"the file took more than {self.post.deadline:g} s; {advice}", http_status=200))

    def _make_post(self, access: Access) -> Post:
        self.partial.is_begun, self.began = False, self._now()
        return super()._make_post(access)

    def _open(self, reply: Reply, access: Access) -> Answer:
        if self.partial.is_begun:
            self.partial.finish()
            return Answer({}, reply.status, self.request_id)
        said = decode_object(reply.content)
        if reply.status >= 500 or "error" in (said or {}) or self._is_elsewhere(reply, access):
            return super()._open(reply, access)
        page = "a web page" if b"<html" in reply.content[:4096].lower() else "no file"
        problem = f"expected a file, got {page} (HTTP {reply.status}); {_ADVICE}"
        raise UnexpectedAnswer(problem, http_status=reply.status, request_id=self.request_id)

    def _is_elsewhere(self, reply: Reply, access: Access) -> bool:
        """Return whether an answer redirects to another host."""
        try:
            super()._open(reply, access)
        except PortalMoved as moved:
            return moved.host not in ("", self.transport.auth.host)
        except SdkError:
            return False
        return False
