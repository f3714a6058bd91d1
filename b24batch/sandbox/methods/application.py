"""Facts about the portal, and what an application stores there: options, and handlers of events and placements."""

from __future__ import annotations

import attrs

from b24batch.sandbox.application.state import Application
from b24batch.sandbox.methods.arguments import require
from b24batch.sandbox.methods.staff import SCOPE
from b24batch.sandbox.php.values import JSON, to_mapping
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import PortalError

_ABOUT = {"SCOPE": SCOPE, "LICENSE": "sandbox"}

#: The features for which `feature.get` answers yes.
_FEATURES = ("rest_offline_extended", "rest_auth_connector")


@attrs.define
class Options:
    """Values by name."""

    _values: dict[JSON, JSON] = attrs.field(factory=dict, init=False)

    def get(self, params: Params) -> JSON:
        """Return one value, or all if no name is given; null for an unknown name."""
        name = params.get("option")
        return self._values.get(name) if name is not None else dict(self._values)

    def set(self, params: Params) -> JSON:
        """Store values; those that are not named stay."""
        options = to_mapping(params.get("options", params))
        if not options:
            raise PortalError("ERROR_ARGUMENT", "Argument 'options' is null or empty", extra={"argument": "options"})
        self._values.update(options)
        return True


def _describe_feature(params: Params) -> JSON:
    code = require({str(name).lower(): value for name, value in params.items()}, "code")
    return {"value": "Y" if code in _FEATURES else "N"}


def install(dispatcher: Dispatcher, application: Application) -> None:
    """Register the methods."""

    def known(params: Params) -> JSON:
        """Say whether there is a method of this name."""
        name = require({str(name).lower(): value for name, value in params.items()}, "name")
        is_known = name.lower() in dispatcher.names()
        return {"isExisting": is_known, "isAvailable": is_known}

    for name in ("bind", "unbind", "get"):
        dispatcher.add(f"event.{name}", getattr(application.handlers, name))
        dispatcher.add(f"placement.{name}", getattr(application.placements, name))
    for owner in ("app", "user"):
        options = Options()
        dispatcher.add(f"{owner}.option.get", options.get)
        dispatcher.add(f"{owner}.option.set", options.set)
    dispatcher.add("app.info", lambda _params: {**_ABOUT, "INSTALLED": application.is_installed})
    dispatcher.add("scope", lambda _params: list(SCOPE))
    dispatcher.add("method.get", known)
    dispatcher.add("feature.get", _describe_feature)
    dispatcher.add("server.time", lambda _params: to_iso(dispatcher.clock.time()))
    dispatcher.add("methods", lambda _params: dispatcher.names())
