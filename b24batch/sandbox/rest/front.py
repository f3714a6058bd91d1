"""What happens to a request before and after its method: rate, faults, credentials, encoding."""

from __future__ import annotations

import functools
import traceback

import attrs

from b24batch.sandbox.faults.plans import Plan
from b24batch.sandbox.journal import Journal
from b24batch.sandbox.oauth.tokens import Tokens
from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.rest.batch import shorten
from b24batch.sandbox.rest.credentials import Admitted, admit
from b24batch.sandbox.rest.dispatcher import Dispatcher
from b24batch.sandbox.rest.links import Links
from b24batch.sandbox.rest.rate import RateBucket, make_rate_refusal
from b24batch.sandbox.server.answers import Answer, PortalError, page, refusal
from b24batch.sandbox.server.incoming import Incoming, Wire, decode, read_upload

# PHP names the encoding of its pages.
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_NOT_HERE = page("404 Not Found", 404, _HTML)
_CRASHED = page("500 Internal Server Error", 500, _HTML)

#: Sent with status 200, after the method has run.
_WRONG_ENCODING = Answer('{"error":"WRONG_ENCODING","error_description":"Wrong request encoding"}')


@attrs.define
class Front:
    """Takes requests from the wire and gives their answers back."""

    journal: Journal
    dispatcher: Dispatcher
    plan: Plan
    bucket: RateBucket | None
    tokens: Tokens
    links: Links

    def respond(self, wire: Wire) -> Answer:
        """Return the answer to a request."""
        incoming = decode(wire)
        self.journal.note_request(incoming.request)
        if self.bucket is not None and not self.bucket.admit():
            return refusal(make_rate_refusal())
        return self.plan.carry_out(functools.partial(self._execute, incoming, wire), wire.target)

    def _execute(self, incoming: Incoming, wire: Wire, commands: int | None) -> Answer:
        """Execute a request, or only its first commands."""
        if not incoming.known:
            return _NOT_HERE
        if incoming.request.verb == "OPTIONS" or commands == 0:
            return Answer("")
        try:
            # A portal looks for the method before it looks at the credentials.
            self.dispatcher.look_up(incoming.request.method)
            admitted = admit(incoming, self.tokens)
            if self.links.is_link(incoming.request.method):
                return self.links.follow(incoming, read_upload(wire))
            self.links.enter(incoming)
            return self._run(incoming.request.method, admitted, commands)
        except PortalError as refused:
            return refusal(refused)

    def _run(self, method: str, admitted: Admitted, commands: int | None) -> Answer:
        params, credentials = admitted
        if method == "batch" and commands is not None:
            params = shorten(params, commands)
        try:
            status, envelope = self.dispatcher.call(method, params, credentials)
            return Answer(php_json.dumps(envelope), status)
        except php_json.EncodingError:
            return _WRONG_ENCODING
        except Exception:
            # A fatal error of PHP ends the request with a page of HTML; the author of a handler needs more.
            traceback.print_exc()
            return _CRASHED
