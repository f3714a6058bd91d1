"""What happens to a request before and after its method: rate, faults, credentials, encoding."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable

import attrs

from b24batch.sandbox import php_json
from b24batch.sandbox.acts import Exchange
from b24batch.sandbox.answers import Answer, PortalError, page, refusal
from b24batch.sandbox.batches import shortened
from b24batch.sandbox.dispatcher import Dispatcher
from b24batch.sandbox.incoming import Incoming, Wire, decode
from b24batch.sandbox.journal import Journal
from b24batch.sandbox.plans import Plan
from b24batch.sandbox.rates import RateBucket, over_rate

#: The webhook of every sandbox portal: user and code.
USER, CODE = "1", "sandboxc0de"

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
    pause: Callable[[float], object]

    def respond(self, wire: Wire) -> Answer:
        """Return the answer to a request."""
        incoming = decode(wire)
        self.journal.note_request(incoming.request)
        if self.bucket is not None and not self.bucket.admit():
            return refusal(over_rate())
        planned = self.plan.take()
        if planned is None:
            return self._execute(incoming, None)
        execute = functools.partial(self._execute, incoming)
        return planned.fault.act(Exchange(execute, self.pause, wire.target, planned.seconds, planned.commands))

    def _execute(self, incoming: Incoming, commands: int | None) -> Answer:
        """Execute a request, or no more than so many commands of it."""
        if not incoming.known:
            return _NOT_HERE
        if incoming.request.verb == "OPTIONS" or commands == 0:
            return Answer("")
        refused = _credentials_error(incoming)
        return refusal(refused) if refused else self._run(incoming, commands)

    def _run(self, incoming: Incoming, commands: int | None) -> Answer:
        method, params = incoming.request.method, incoming.request.params
        if method == "batch" and commands is not None:
            params = shortened(params, commands)
        try:
            status, envelope = self.dispatcher.call(method, params)
            return Answer(php_json.dumps(envelope), status)
        except php_json.EncodingError:
            return _WRONG_ENCODING
        except Exception:
            # A fatal error of PHP ends the request with a page of HTML; the author of a handler needs more.
            traceback.print_exc()
            return _CRASHED


def _credentials_error(incoming: Incoming) -> PortalError | None:
    """Check the credentials; any stray token is tried before the webhook, and no token is known here."""
    request = incoming.request
    bearer = request.headers.get("authorization", "").lower().startswith("bearer ")
    if bearer or any(isinstance(request.params.get(name), str) for name in ("auth", "access_token")):
        return PortalError("invalid_token", "Unable to get application by token", http_status=401)
    if incoming.user is None or incoming.code is None:
        return PortalError("NO_AUTH_FOUND", "Wrong authorization data", http_status=401)
    if (incoming.user, incoming.code) != (USER, CODE):
        return PortalError("INVALID_CREDENTIALS", "Invalid request credentials", http_status=401)
    return None
