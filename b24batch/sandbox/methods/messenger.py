"""``im.*``: chats and their messages, which are paged by the id of the last one."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from b24batch.sandbox.methods.arguments import to_capitals
from b24batch.sandbox.php.values import JSON, to_int, to_mapping, to_text
from b24batch.sandbox.rest.dispatcher import Dispatcher, Params
from b24batch.sandbox.rest.time_blocks import to_iso
from b24batch.sandbox.server.answers import PortalError
from b24batch.sandbox.store.rows import Row, Table

#: The documented size of a page, and the maximum.
_LIMIT, _GREATEST = 20, 50

#: The user that the webhook belongs to.
_MYSELF = 1


@attrs.define
class Messenger:
    """All chats and messages; a conversation with a user is a chat too."""

    time: Callable[[], float]
    chats: Table = attrs.field(factory=Table, init=False)
    messages: Table = attrs.field(factory=Table, init=False)

    def add_chat(self, params: Params) -> JSON:
        """Make a chat and return its id."""
        arguments = to_capitals(params)
        users = [to_int(user) for user in to_mapping(arguments.get("USERS")).values()]
        return self.chats.add({"name": to_text(arguments.get("TITLE")), "users": [_MYSELF, *users], "muted": False})

    def mute(self, params: Params) -> JSON:
        """Mute or unmute a chat; only the letter Y means yes."""
        arguments = to_capitals(params)
        self._find_chat(arguments.get("CHAT_ID"), "CHAT_ID_EMPTY")["muted"] = arguments.get("MUTE") == "Y"
        return True

    def users(self, params: Params) -> JSON:
        """Return the ids of all users of a chat."""
        return self._find_chat(to_capitals(params).get("CHAT_ID"), "CHAT_ID_EMPTY")["users"]

    def get_dialog(self, params: Params) -> JSON:
        """Describe a chat."""
        chat = self._find_dialog(to_capitals(params))
        muted = [_MYSELF] if chat["muted"] else []
        return {"id": chat["ID"], "dialog_id": f"chat{chat['ID']}", "name": chat["name"], "mute_list": muted}

    def add_message(self, params: Params) -> JSON:
        """Store a message and return its id; a system message has no author."""
        arguments = to_capitals(params)
        chat = self._find_dialog(arguments)
        if not to_text(arguments.get("MESSAGE")) and not arguments.get("ATTACH"):
            raise PortalError("MESSAGE_EMPTY", "Message can't be empty")
        message: Row = {
            "chat_id": chat["ID"],
            "author_id": 0 if arguments.get("SYSTEM") == "Y" else _MYSELF,
            "date": to_iso(self.time()),
            "text": to_text(arguments.get("MESSAGE")),
            "params": [] if arguments.get("URL_PREVIEW", "Y") == "Y" else {"URL_PREVIEW": "N"},
        }
        return self.messages.add(message)

    def get_messages(self, params: Params) -> JSON:
        """Return messages, the newest first: the last ones, those before ``LAST_ID``, or those after ``FIRST_ID``."""
        arguments = to_capitals(params)
        chat = self._find_dialog(arguments)
        limit = min(to_int(arguments.get("LIMIT")) or _LIMIT, _GREATEST)
        found = [message for message in self.messages.rows.values() if message["chat_id"] == chat["ID"]]
        if arguments.get("FIRST_ID") is not None:
            shown = [message for message in found if message["ID"] > to_int(arguments["FIRST_ID"])][:limit]
        else:
            last = to_int(arguments.get("LAST_ID"))
            shown = [message for message in reversed(found) if not last or message["ID"] < last][:limit]
        rows = [{"id": message["ID"], **{k: v for k, v in message.items() if k != "ID"}} for message in shown]
        return {"chat_id": chat["ID"], "messages": rows, "users": [], "files": []}

    def _find_dialog(self, arguments: dict[str, JSON]) -> Row:
        """Return the chat for ``chat5``, or for a user id; the latter is created on first use."""
        dialog = to_text(arguments.get("DIALOG_ID"))
        if dialog.startswith("chat") or not to_int(dialog):
            return self._find_chat(dialog.removeprefix("chat"), "DIALOG_ID_EMPTY")
        talks = (chat for chat in self.chats.rows.values() if chat.get("user") == to_int(dialog))
        found = next(talks, None)
        if found is None:
            talk = {"name": "", "users": [_MYSELF, to_int(dialog)], "muted": False, "user": to_int(dialog)}
            found = self.chats.rows[self.chats.add(talk)]
        return found

    def _find_chat(self, chat_id: JSON, code: str) -> Row:
        chat = self.chats.rows.get(to_int(chat_id))
        if chat is None:
            raise PortalError(code, "There is no such dialog")
        return chat


def install(dispatcher: Dispatcher) -> None:
    """Register the methods."""
    messenger = Messenger(dispatcher.clock.time)
    dispatcher.add("im.chat.add", messenger.add_chat)
    dispatcher.add("im.chat.mute", messenger.mute)
    dispatcher.add("im.chat.user.list", messenger.users)
    dispatcher.add("im.dialog.get", messenger.get_dialog)
    dispatcher.add("im.message.add", messenger.add_message)
    dispatcher.add("im.dialog.messages.get", messenger.get_messages)
