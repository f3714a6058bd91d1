"""The addresses that an application has bound to events and to places in the portal."""

from __future__ import annotations

import attrs

from b24batch.sandbox.methods.arguments import require, to_capitals
from b24batch.sandbox.php.values import JSON, to_text
from b24batch.sandbox.rest.dispatcher import Params
from b24batch.sandbox.server.answers import PortalError


@attrs.define
class Handlers:
    """The addresses that events go to, and which events are queued."""

    _bound: list[dict[str, str]] = attrs.field(factory=list, init=False)

    def bind(self, params: Params) -> JSON:
        """Store an address; the same one for the same event is refused."""
        bound = self._read_names(params)
        if bound in self._bound:
            raise PortalError("ERROR_CORE", "Unable to set event handler: Handler already binded")
        self._bound.append(bound)
        return True

    def unbind(self, params: Params) -> JSON:
        """Forget an address."""
        bound = self._read_names(params)
        count = self._bound.count(bound)
        self._bound = [other for other in self._bound if other != bound]
        return {"count": count}

    def get(self, params: Params) -> JSON:
        """Return all addresses."""
        del params
        return [{**bound, "auth_type": "0", "offline": str(int(not bound["handler"]))} for bound in self._bound]

    def find(self, event: str) -> list[str]:
        """Return the addresses that an event goes to."""
        return [bound["handler"] for bound in self._bound if bound["event"] == event.upper() and bound["handler"]]

    def clear(self) -> None:
        """Forget all addresses."""
        self._bound.clear()

    def _read_names(self, params: Params) -> dict[str, str]:
        """Return event and address; an event that is queued has none."""
        arguments = to_capitals(params)
        offline = to_text(arguments.get("EVENT_TYPE")).strip().lower() == "offline"
        return {
            "event": require(arguments, "EVENT").upper(),
            "handler": "" if offline else require(arguments, "HANDLER"),
        }


@attrs.define
class Placements:
    """The addresses of pages in frames, by their place."""

    _bound: list[dict[str, str]] = attrs.field(factory=list, init=False)

    def bind(self, params: Params) -> JSON:
        """Store an address, at whatever place; the same one at the same place is refused."""
        arguments = to_capitals(params)
        place, handler = require(arguments, "PLACEMENT").upper(), require(arguments, "HANDLER")
        if handler in (bound["handler"] for bound in self.find(place)):
            raise PortalError("ERROR_CORE", "Unable to set placement handler: Handler already binded")
        texts = {name.lower(): to_text(arguments.get(name)) for name in ("TITLE", "DESCRIPTION")}
        self._bound.append({"placement": place, "handler": handler, **texts})
        return True

    def unbind(self, params: Params) -> JSON:
        """Forget an address, or all of a place; each one counts twice, as on a portal."""
        arguments = to_capitals(params)
        place, handler = require(arguments, "PLACEMENT").upper(), to_text(arguments.get("HANDLER"))
        gone = [bound for bound in self.find(place) if handler in ("", bound["handler"])]
        self._bound = [bound for bound in self._bound if bound not in gone]
        return {"count": 2 * len(gone)}

    def get(self, params: Params) -> JSON:
        """Return all addresses."""
        del params
        return [{**bound, "userId": 0, "options": [], "langAll": []} for bound in self._bound]

    def find(self, place: str) -> list[dict[str, str]]:
        """Return what is bound at a place."""
        return [bound for bound in self._bound if bound["placement"] == place]

    def clear(self) -> None:
        """Forget all addresses."""
        self._bound.clear()
