"""``telephony.externalcall.*``, and the statistics of finished calls: ``voximplant.statistic.get``."""

from __future__ import annotations

import attrs

from b24batch.sandbox.methods.arguments import require, to_capitals
from b24batch.sandbox.methods.records import About, Records
from b24batch.sandbox.methods.spellings import FLAT
from b24batch.sandbox.php.values import JSON, to_int, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.queries import EXACT
from b24batch.sandbox.store.rows import Table

#: Without an order the rows come in an order that no client can rely on.
_STATISTIC = "cursor voximplant.statistic CALL_DURATION# PORTAL_USER_ID# CALL_TYPE# CALL_START_DATE~=now PHONE_NUMBER^"


def _read_order(params: Params) -> JSON:
    """SORT and ORDER are two texts; a map instead of one is dropped."""
    arguments = to_capitals(params)
    sort, way = arguments.get("SORT"), arguments.get("ORDER", "ASC")
    return {sort: way} if isinstance(sort, str) and isinstance(way, str) else {}


_SPELLING = attrs.evolve(FLAT, order=_read_order, family=EXACT)


@attrs.define
class Calls:
    """Calls in progress, and the statistics of finished ones."""

    statistic: Records
    going: Table = attrs.field(factory=Table, init=False)

    def register(self, params: Params) -> JSON:
        """Begin a call."""
        arguments = to_capitals(params)
        number, user_id = require(arguments, "PHONE_NUMBER"), to_int(arguments.get("USER_ID", 1))
        call = {"PHONE_NUMBER": number, "PORTAL_USER_ID": user_id, "CALL_TYPE": to_int(arguments.get("TYPE", 1))}
        return {"CALL_ID": f"externalCall.{self.going.add(call)}", "CRM_CREATED_LEAD": None, "CRM_CREATED_ENTITIES": []}

    def finish(self, params: Params) -> JSON:
        """End a call, and add a row to the statistics."""
        arguments = to_capitals(params)
        call_id = require(arguments, "CALL_ID")
        call = self.going.rows.pop(to_int(call_id.rpartition(".")[2]), None)
        if call is None:
            raise PortalError("ERROR_NOT_FOUND", "Call is not found")
        about = {"CALL_ID": call_id, "CALL_DURATION": to_int(arguments.get("DURATION"))}
        code = to_text(arguments.get("STATUS_CODE") or 200)
        row = {**call, **about, "CALL_FAILED_CODE": code}
        self.statistic.add(Params({name: value for name, value in row.items() if name != "ID"}))
        return {**about, "PORTAL_USER_ID": call["PORTAL_USER_ID"], "PHONE_NUMBER": call["PHONE_NUMBER"]}


def install(dispatcher: Dispatcher) -> None:
    """Register the methods."""
    calls = Calls(Records(About.read(_SPELLING, _STATISTIC), dispatcher.clock.time))
    dispatcher.add("telephony.externalcall.register", calls.register)
    dispatcher.add("telephony.externalcall.finish", calls.finish)
    dispatcher.add("voximplant.statistic.get", calls.statistic.list)
