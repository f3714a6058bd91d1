"""The sandbox's other families of methods: what they store, read as a portal reads it, and what they refuse."""

from __future__ import annotations

import pytest
from drawing import together

from b24batch.sandbox import Portal


@pytest.fixture
def portal():
    """An empty portal."""
    with Portal() as portal:
        yield portal


EVENT = {"type": "user", "ownerId": 1, "name": "E", "from": "2024-05-01T10:00:00+03:00", "to": "2024-05-01T11:00:00"}
OF_EVENTS = {"type": "user", "ownerId": 1}


def write(wire, way, method, params):
    """Call directly or in a batch, and return the result or the error object."""
    answer = wire.call(method, params).json if way == "direct" else wire.command(method, params)
    return answer.get("result", answer)


@pytest.mark.parametrize(
    ("given", "muted"),
    [("Y", True), ("N", False), ("1", False), ("true", False), (1, False), (True, False), (False, False)],
)
def test_a_letter(wire, given, muted):
    """Muting a chat takes the letter Y for a yes and everything else for a no."""
    wire.call("im.chat.add", {"TITLE": "C"})
    wire.call("im.chat.mute", {"CHAT_ID": 1, "MUTE": given})
    assert wire.both("im.dialog.get", {"DIALOG_ID": "chat1"})["result"]["mute_list"] == ([1] if muted else [])


@pytest.mark.parametrize(("given", "author"), [("Y", 0), ("N", 1), (True, 1), ("1", 1)])
def test_a_message_of_the_system(wire, given, author):
    """Only the letter Y makes a message one of the system."""
    wire.call("im.message.add", {"DIALOG_ID": "2", "MESSAGE": "m", "SYSTEM": given, "URL_PREVIEW": given})
    message = wire.both("im.dialog.messages.get", {"DIALOG_ID": "2"})["result"]["messages"][0]
    assert (message["author_id"], message["text"], message["params"] == []) == (author, "m", author == 0)


@pytest.mark.parametrize(("given", "private"), [("Y", "1"), ("N", ""), (True, ""), ("1", ""), (1, "")])
@pytest.mark.parametrize("way", ["direct", "batch"])
def test_letters_at_the_top_of_an_event(wire, way, given, private):
    """An event is private, or takes the whole day, by the letter Y."""
    assert write(wire, way, "calendar.event.add", {**EVENT, "private_event": given, "skip_time": given}) == 1
    event = wire.both("calendar.event.get", OF_EVENTS)["result"][0]
    assert (event["PRIVATE_EVENT"], event["DT_SKIP_TIME"]) == (private, "Y" if private else "N")


@pytest.mark.parametrize(
    ("given", "hidden"),
    [("Y", True), ("N", True), ("1", True), (True, True), ("0", False), ("", False), (False, False)],
)
def test_truth_below_the_top_of_an_event(wire, given, hidden):
    """Whether guests are hidden is decided by what PHP holds to be true: the letter N is a yes."""
    wire.call("calendar.event.add", {**EVENT, "meeting": {"hide_guests": given}})
    assert wire.both("calendar.event.get", OF_EVENTS)["result"][0]["MEETING"] == {"HIDE_GUESTS": hidden}
    section = wire.call("calendar.section.add", {"type": "user", "ownerId": 1, "name": "S", "export": {"ALLOW": given}})
    assert section.result == 1
    assert wire.both("calendar.section.get", OF_EVENTS)["result"][0]["EXPORT"] == {"ALLOW": hidden}


@pytest.mark.parametrize(("given", "active"), [("Y", "Y"), ("N", "N"), (True, "N"), ("1", "N"), (1, "N"), (False, "N")])
def test_a_letter_of_a_service(wire, given, active):
    """A service of delivery is switched on by the letter Y, and off by anything else."""
    assert wire.call("sale.delivery.add", {"NAME": "D"}).result == 1
    assert wire.call("sale.delivery.update", {"ID": 1, "ACTIVE": given}).result is True
    assert wire.both("sale.delivery.getlist", {})["result"][0]["ACTIVE"] == active


USER_FIELD = {"fields": {"FIELD_NAME": "FLAG", "USER_TYPE_ID": "boolean", "MANDATORY": "N"}}


@pytest.mark.parametrize(
    ("given", "legacy", "item"),
    [
        ("Y", "1", "Y"),
        ("1", "1", "N"),
        (1, "1", "N"),
        (True, "1", "Y"),
        ("true", "1", "Y"),
        ("N", "0", "N"),
        ("on", "0", "N"),
    ],
)
def test_a_yes_no_field_of_users(wire, given, legacy, item):
    """The older methods know Y, 1 and true as a yes, crm.item.* knows no 1."""
    assert wire.call("crm.deal.userfield.add", USER_FIELD).result == 1
    wire.call("crm.deal.add", {"fields": {"UF_CRM_FLAG": given}})
    wire.call("crm.item.add", {"entityTypeId": 2, "fields": {"ufCrmFlag": given}})
    assert wire.call("crm.deal.get", {"id": 1}).result["UF_CRM_FLAG"] == legacy
    assert wire.call("crm.item.get", {"entityTypeId": 2, "id": 2}).result["item"]["ufCrmFlag"] == item


@pytest.mark.parametrize(
    ("given", "found"), [(1, [1]), ("1", [1]), (True, [1]), (0, [2]), ("0", [2]), ("Y", [2]), ("N", [2]), ("true", [2])]
)
def test_a_condition_on_a_yes_no_field_of_users(wire, given, found):
    """A filter reads a number, so that the letter Y finds the rows that are No."""
    wire.call("crm.deal.userfield.add", USER_FIELD)
    wire.batch(["crm.deal.add?fields[UF_CRM_FLAG]=Y", "crm.deal.add?fields[UF_CRM_FLAG]=N"])
    legacy = wire.call("crm.deal.list", {"filter": {"UF_CRM_FLAG": given}}).result
    items = wire.call("crm.item.list", {"entityTypeId": 2, "filter": {"ufCrmFlag": given}}).result["items"]
    assert [int(row["ID"]) for row in legacy] == [row["id"] for row in items] == found


@pytest.mark.parametrize(("given", "imported"), [("Y", True), ("N", True), (True, True), (False, False), ("0", False)])
@pytest.mark.parametrize("name", ["lead", "contact"])
def test_importing(wire, name, given, imported):
    """Importing keeps the dates that are given, and is switched on by the letter N too."""
    fields = {"NAME": "x", "DATE_CREATE": "2020-01-02T03:04:05+03:00", "CREATED_BY_ID": 3}
    wire.call(f"crm.{name}.add", {"fields": fields, "params": {"IMPORT": given}})
    row = wire.both(f"crm.{name}.get", {"id": 1})["result"]
    assert (row["DATE_CREATE"] == fields["DATE_CREATE"], row["CREATED_BY_ID"]) == (imported, "3" if imported else "1")


def test_user_fields_of_the_crm(wire):
    """A field gets its prefix, and the letters and the number that it has by default; its name must be new."""
    fields = {"FIELD_NAME": "UF_CRM_N", "USER_TYPE_ID": "integer", "MULTIPLE": True}
    assert wire.call("crm.contact.userfield.add", {"fields": fields}).result == 1
    row = wire.both("crm.contact.userfield.get", {"id": 1})["result"]
    assert (row["ENTITY_ID"], row["FIELD_NAME"], row["MULTIPLE"], row["SHOW_IN_LIST"], row["SORT"]) == (
        "CRM_CONTACT",
        "UF_CRM_N",
        "N",
        "Y",
        "100",
    )
    again = wire.both("crm.contact.userfield.add", {"fields": {"FIELD_NAME": "N", "USER_TYPE_ID": "string"}})
    assert again["error"] == "ERROR_CORE"
    wire.call("crm.contact.add", {"fields": {"UF_CRM_N": "12abc"}})
    assert wire.call("crm.contact.get", {"id": 1}).result["UF_CRM_N"] == "12"
    assert wire.call("crm.contact.userfield.delete", {"id": 1}).result is True
    assert wire.call("crm.contact.userfield.list").result == []


@pytest.mark.parametrize(("given", "stored"), [("N", True), ("0", False), ("", False), (False, False), (1, True)])
def test_users(wire, given, stored):
    """A yes/no field of users is saved by truth, ACTIVE knows an N, and other names are dropped."""
    wire.call("user.userfield.add", {"fields": {"FIELD_NAME": "FLAG", "USER_TYPE_ID": "boolean"}})
    assert wire.call("user.update", {"ID": 2, "UF_USR_FLAG": given, "ACTIVE": given, "NO": 1}).result is True
    user = wire.both("user.get", {"ID": 2})["result"][0]
    assert (user["UF_USR_FLAG"], user["ACTIVE"], "NO" in user) == (stored, stored and given != "N", False)
    assert {"ID", "EMAIL", "UF_USR_FLAG"} <= set(wire.both("user.fields", {})["result"])
    assert "error" in wire.both("user.update", {"ID": 99})


def test_departments(wire):
    """Departments are made, changed and removed by the params themselves."""
    assert wire.call("department.add", {"NAME": "D", "PARENT": 2}).result == 3
    assert wire.call("department.update", {"ID": 3, "name": "E"}).result is True
    row = {"ID": "3", "NAME": "E", "PARENT": "2", "SORT": "500"}
    assert wire.both("department.get", {"ID": 3})["result"] == [row]
    assert wire.call("department.delete", {"ID": 3}).result is True
    assert wire.both("department.get", {"ID": 3}) == {"result": [], "total": 0}
    assert wire.both("department.fields", {})["result"]["UF_HEAD"] == "Uf_head"


def test_the_portal_and_its_application(wire):
    """A portal tells what may be called, and keeps options and handlers for its application."""
    assert {"crm", "disk", "im"} <= set(wire.both("scope", {})["result"])
    known = {"isExisting": True, "isAvailable": True}
    assert wire.both("method.get", {"name": "CRM.deal.list"})["result"] == known
    assert wire.both("method.get", {"name": "no.such"})["result"] == dict.fromkeys(known, False)
    assert wire.both("feature.get", {"CODE": "rest_offline_extended"})["result"] == {"value": "Y"}
    assert wire.call("app.option.set", {"options": {"a": 1, "b": "x"}}).result is True
    assert wire.both("app.option.get", {"option": "b"})["result"] == "x"
    assert wire.both("app.option.get", {})["result"] == {"a": 1, "b": "x"}
    assert wire.both("user.option.get", {})["result"] == []
    bound = {"event": "onCrmDealAdd", "handler": "https://example.com/"}
    assert wire.call("event.bind", bound).result is True
    assert wire.call("event.bind", bound).json["error"] == "ERROR_CORE"
    assert [row["event"] for row in wire.both("event.get", {})["result"]] == ["ONCRMDEALADD"]
    assert wire.call("event.unbind", bound).result == {"count": 1}


@pytest.mark.parametrize("way", ["direct", "batch"])
def test_a_kind_of_records(wire, way):
    """Controllers answer a written row under its key, keep the types of values, and refuse what is not there."""
    fields = {"name": "P", "iblockId": "14", "active": "N", "vatIncluded": "x"}
    made = write(wire, way, "catalog.product.add", {"fields": fields})["element"]
    assert made == {"id": 1, "name": "P", "iblockId": 14, "active": "N", "available": "Y", "vatIncluded": "N"}
    assert write(wire, way, "catalog.product.get", {"id": 1}) == {"product": made}
    assert write(wire, way, "catalog.product.update", {"id": 1, "fields": {"active": "Y"}})["element"]["active"] == "Y"
    only = write(wire, way, "catalog.product.list", {"filter": {"iblockId": 14}, "select": ["name"]})
    assert only == {"products": [{"id": 1, "name": "P"}]}
    assert write(wire, way, "catalog.product.delete", {"id": 1}) is True
    assert write(wire, way, "catalog.product.get", {"id": 1})["error"] == "0"
    assert write(wire, way, "catalog.product.get", {"id": "x"})["error"] == "100"


@pytest.mark.parametrize("way", ["direct", "batch"])
def test_an_older_kind_of_records(wire, way):
    """Older methods answer an id, then everything as text; the second removal fails."""
    fields = {"ENTITY_ID": 5, "ENTITY_TYPE": "deal", "COMMENT": "c"}
    assert write(wire, way, "crm.timeline.comment.add", {"fields": fields}) == 1
    row = write(wire, way, "crm.timeline.comment.get", {"id": 1})
    assert (row["ID"], row["ENTITY_ID"], row["AUTHOR_ID"], row["COMMENT"]) == ("1", "5", "1", "c")
    assert row["CREATED"].endswith("+03:00")
    assert write(wire, way, "crm.timeline.comment.update", {"ID": 1, "FIELDS": {"COMMENT": "d"}}) is True
    assert write(wire, way, "crm.timeline.comment.delete", {"id": 1}) is True
    gone = {"error": "", "error_description": "Not found"}
    assert write(wire, way, "crm.timeline.comment.delete", {"id": 1}) == gone


@pytest.mark.parametrize("way", ["direct", "batch"])
def test_importing_many_items(wire, way):
    """Items are imported in their places, and one that fails is an error among them, not of the whole."""
    data = {"a": {"title": "x"}, "b": {"title": ""}, "c": {"title": "y"}}
    result = write(wire, way, "crm.item.batchImport", {"entityTypeId": 2, "data": data})
    assert {key: item.get("error") for key, item in result["items"].items()} == {
        "a": None,
        "b": "CRM_FIELD_ERROR_REQUIRED",
        "c": None,
    }
    assert (result["items"]["c"], len(wire.call("crm.deal.list").result)) == ({"item": {"id": 2}}, 2)
    assert write(wire, way, "crm.item.import", {"entityTypeId": 2, "fields": {"title": "z"}}) == {"item": {"id": 3}}
    many = write(wire, way, "crm.item.batchImport", {"entityTypeId": 2, "data": [{"title": "x"}] * 21})
    assert many["error"] == "MAX_IMPORT_BATCH_SIZE_EXCEEDED"


def test_rows_come_by_their_sort(wire):
    """Without an order rows come by what they are sorted by, those with the number that they have by default too."""
    wire.batch([f"crm.requisite.add?fields[NAME]=x{sort}" for sort in ("&fields[SORT]=600", "", "&fields[SORT]=40")])
    assert [row["SORT"] for row in wire.both("crm.requisite.list", {})["result"]] == ["40", "500", "600"]
    by_id = wire.both("crm.requisite.list", {"order": {"ID": "ASC"}, "filter": {">SORT": 400}})["result"]
    assert [row["ID"] for row in by_id] == ["1", "2"]


def test_rows_of_products(wire):
    """The rows of a deal are the same for both families, and an empty list removes them all."""
    wire.call("crm.deal.add", {"fields": {"TITLE": "D"}})
    rows = [{"PRODUCT_NAME": "A", "PRICE": "10.5", "TAX_INCLUDED": "Y"}, {"PRODUCT_NAME": "B", "TAX_INCLUDED": 1}]
    assert wire.call("crm.deal.productrows.set", {"id": 1, "rows": rows}).result is True
    found = wire.both("crm.deal.productrows.get", {"id": 1})["result"]
    assert [(row["ID"], row["PRICE"], row["TAX_INCLUDED"], row["OWNER_TYPE"]) for row in found] == [
        ("1", 10.5, "Y", "D"),
        ("2", 0, "N", "D"),
    ]
    conditions = {"filter": {"=ownerType": "D", "=ownerId": 1, ">id": 1}}
    assert [
        row["productName"] for row in wire.both("crm.item.productrow.list", conditions)["result"]["productRows"]
    ] == ["B"]
    added = wire.call("crm.item.productrow.add", {"fields": {"ownerType": "D", "ownerId": 1, "price": 3}})
    assert added.result["productRow"]["id"] == 3
    assert (
        wire.call("crm.item.productrow.update", {"id": 3, "fields": {"quantity": 2}}).result["productRow"]["quantity"]
        == 2
    )
    assert wire.call("crm.item.productrow.delete", {"id": 3}).json["result"] is None
    owner = {"ownerType": "D", "ownerId": 1}
    assert wire.call("crm.item.productrow.set", {**owner, "productRows": []}).result == {"productRows": []}
    assert wire.both("crm.deal.productrows.get", {"id": 1})["result"] == []


@together(
    ("method", "params", "code"),
    [
        ("crm.deal.productrows.get", {"id": 9}, ""),
        ("crm.deal.productrows.set", {"id": 9, "rows": "x"}, ""),
        ("crm.item.productrow.add", {"fields": {"ownerType": "D", "ownerId": 9}}, "OWNER_NOT_FOUND"),
        ("crm.item.productrow.set", {"ownerType": "D", "ownerId": 9, "productRows": [{}]}, "OWNER_NOT_FOUND"),
        ("crm.item.productrow.get", {"id": 9}, "NOT_FOUND"),
        ("crm.quote.contact.items.set", {"id": 9, "items": [{"CONTACT_ID": 1}]}, ""),
        ("crm.duplicate.findbycomm", {"type": "FAX", "values": ["1"]}, ""),
        ("crm.address.delete", {"fields": {"TYPE_ID": 1, "ENTITY_TYPE_ID": 8, "ENTITY_ID": 3}}, ""),
        ("crm.address.add", {"fields": {"TYPE_ID": 1}}, ""),
        ("crm.category.list", {}, "100"),
        ("task.commentitem.add", [9, {"POST_MESSAGE": "x"}], "ERROR_CORE"),
        ("task.commentitem.add", {"FIELDS": {"POST_MESSAGE": "x"}, "TASKID": 1}, "ERROR_CORE"),
        ("task.commentitem.getlist", [], "ERROR_CORE"),
        ("lists.add", {"IBLOCK_TYPE_ID": "lists", "FIELDS": {"NAME": "x"}}, "ERROR_REQUIRED_PARAMETERS_MISSING"),
        ("lists.element.get", {"IBLOCK_TYPE_ID": "lists", "IBLOCK_ID": 9}, "ERROR_IBLOCK_NOT_FOUND"),
        ("disk.folder.get", {"id": 99}, "ERROR_NOT_FOUND"),
        ("disk.file.get", {"id": 1}, "ERROR_NOT_FOUND"),
        ("im.message.add", {"DIALOG_ID": "chat9", "MESSAGE": "x"}, "DIALOG_ID_EMPTY"),
        ("im.message.add", {"DIALOG_ID": "2", "MESSAGE": ""}, "MESSAGE_EMPTY"),
        ("im.chat.mute", {"CHAT_ID": 9}, "CHAT_ID_EMPTY"),
        ("telephony.externalcall.finish", {"CALL_ID": "externalCall.9"}, "ERROR_NOT_FOUND"),
        ("calendar.event.add", {"type": "user", "name": "x"}, ""),
        ("calendar.event.delete", {"id": 9}, ""),
        ("app.option.set", {}, "ERROR_ARGUMENT"),
        ("method.get", {}, "ERROR_ARGUMENT"),
    ],
)
def test_refusals(wire, method, params, code):
    """What is missing or not there is refused, directly and in a batch."""
    assert wire.both(method, params)["error"] == code


@pytest.mark.parametrize("owner", ["lead", "deal", "quote", "company"])
def test_contacts_of_a_row(wire, owner):
    """Contacts are replaced as a whole, an empty list removes them, and the first is the primary one."""
    wire.call(f"crm.{owner}.add", {"fields": {"TITLE": "x"}})
    prefix = f"crm.{owner}.contact"
    assert wire.call(f"{prefix}.items.set", {"id": 1, "items": [{"CONTACT_ID": 5}, {"CONTACT_ID": "6"}]}).result is True
    items = wire.both(f"{prefix}.items.get", {"id": 1})["result"]
    assert items == [
        {"CONTACT_ID": 5, "SORT": 10, "IS_PRIMARY": "Y"},
        {"CONTACT_ID": 6, "SORT": 20, "IS_PRIMARY": "N"},
    ]
    assert wire.call(f"{prefix}.add", {"id": 1, "fields": {"CONTACT_ID": 7}}).result is True
    assert wire.call(f"{prefix}.add", {"id": 1, "fields": {"CONTACT_ID": 7}}).result is False
    assert wire.call(f"{prefix}.delete", {"id": 1, "fields": {"CONTACT_ID": 5}}).result is True
    assert [item["CONTACT_ID"] for item in wire.both(f"{prefix}.items.get", {"id": 1})["result"]] == [6, 7]
    for given in ([""], "x", None):
        assert wire.call(f"{prefix}.items.set", {"id": 1, "items": given}).status == 400
    assert wire.one(f"{prefix}.items.set?id=1&items[]=")["error"] == ""
    assert wire.call(f"{prefix}.items.set", {"id": 1, "items": []}).result is True
    assert wire.both(f"{prefix}.items.get", {"id": 1})["result"] == []


def test_the_primary_contact_of_a_deal(wire):
    """A link that is the primary one stands in the deal too."""
    wire.call("crm.deal.add", {"fields": {"TITLE": "x"}})
    items = [{"CONTACT_ID": 5}, {"CONTACT_ID": 6, "IS_PRIMARY": "Y"}]
    wire.call("crm.deal.contact.items.set", {"id": 1, "items": items})
    assert wire.call("crm.deal.get", {"id": 1}).result["CONTACT_ID"] == "6"
    assert wire.call("crm.deal.contact.items.delete", {"id": 1}).result is True
    assert wire.call("crm.deal.get", {"id": 1}).result["CONTACT_ID"] is None


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"type": "PHONE", "values": ["8 (999) 1"]}, {"LEAD": [1], "CONTACT": [1]}),
        ({"type": "PHONE", "values": ["89991"], "entity_type": "CONTACT"}, {"CONTACT": [1]}),
        ({"type": "EMAIL", "values": ["no@example.com", "A@example.com"]}, {"COMPANY": [1]}),
        ({"type": "EMAIL", "values": ["no@example.com"]}, []),
    ],
    ids=str,
)
def test_duplicates(wire, params, found):
    """Rows are found by their phones, of which the digits count, and by their addresses of mail."""
    wire.call("crm.lead.add", {"fields": {"PHONE": [{"VALUE": "8-999-1"}]}})
    wire.call("crm.contact.add", {"fields": {"PHONE": [{"VALUE": "8(999)1"}]}})
    wire.call("crm.company.add", {"fields": {"EMAIL": [{"VALUE": "a@Example.com"}]}})
    assert wire.both("crm.duplicate.findbycomm", params)["result"] == found


def test_addresses(wire):
    """An address is found by its three numbers, and the second one under them takes the place of the first."""
    key = {"TYPE_ID": 1, "ENTITY_TYPE_ID": 8, "ENTITY_ID": 3}
    for city in ("Riga", "Oslo"):
        assert wire.call("crm.address.add", {"fields": {**key, "CITY": city}}).result is True
    row = {name: str(value) for name, value in key.items()} | {"CITY": "Oslo"}
    assert wire.both("crm.address.list", {"filter": {"ENTITY_ID": 3}}) == {"result": [row], "total": 1}
    assert wire.call("crm.address.delete", {"fields": key}).result is True
    assert wire.both("crm.address.list", {})["result"] == []


@pytest.mark.parametrize("way", ["direct", "batch"])
def test_arguments_by_their_order(wire, way):
    """Items of a task take their arguments by order, whatever the names."""
    wire.call("tasks.task.add", {"fields": {"TITLE": "T"}})
    assert write(wire, way, "task.checklistitem.add", [1, {"TITLE": "a", "IS_COMPLETE": "Y"}]) == 1
    assert write(wire, way, "task.checklistitem.add", {"FIELDS": 1, "TASKID": {"TITLE": "b", "IS_COMPLETE": "1"}}) == 2
    rows = write(wire, way, "task.checklistitem.getlist", {"x": 1, "ORDER": {"ID": "desc"}})
    assert [(row["ID"], row["TASK_ID"], row["IS_COMPLETE"]) for row in rows] == [("2", "1", "N"), ("1", "1", "Y")]
    assert write(wire, way, "task.checklistitem.complete", [1, 2]) is True
    assert write(wire, way, "task.checklistitem.get", ["1", "2"])["IS_COMPLETE"] == "Y"
    assert write(wire, way, "task.checklistitem.update", [1, 2, {"TITLE": "c"}]) is True
    assert write(wire, way, "task.checklistitem.delete", [1, 2]) is True
    error = write(wire, way, "task.checklistitem.get", {"request_id": "x", "TASKID": 1, "ITEMID": 1})
    assert "WRONG_ARGUMENTS" in error["error_description"]
    assert write(wire, way, "task.commentitem.add", [1, {"POST_MESSAGE": "hi"}]) == 1
    assert write(wire, way, "task.commentitem.getlist", [1, {"ID": "asc"}, {"AUTHOR_ID": 2}]) == []


def test_a_text_with_the_method_in_it(wire):
    """A text that has the name of the method in it is passed over."""
    wire.call("tasks.task.add", {"fields": {"TITLE": "T"}})
    wire.call("task.commentitem.add", ["/rest/task.commentitem.add", 1, {"POST_MESSAGE": "m"}])
    assert [row["POST_MESSAGE"] for row in wire.call("task.commentitem.getlist", [1]).result] == ["m"]


def test_universal_lists(wire):
    """Lists have fields, sections and elements; codes are unique, and values of properties are numbered."""
    about = {"IBLOCK_TYPE_ID": "lists", "IBLOCK_CODE": "books"}
    assert wire.call("lists.add", {**about, "FIELDS": {"NAME": "Books", "BIZPROC": "1"}}).result == 1
    assert wire.call("lists.add", {**about, "FIELDS": {"NAME": "B"}}).json["error"] == "ERROR_IBLOCK_ALREADY_EXISTS"
    found = wire.both("lists.get", about)["result"][0]
    assert (found["ID"], found["NAME"], found["CODE"], found["BIZPROC"]) == ("1", "Books", "books", "N")
    assert wire.both("lists.get", {"IBLOCK_TYPE_ID": "lists"})["total"] == 1
    assert wire.both("lists.get", {"IBLOCK_TYPE_ID": "other"})["result"] == []
    field = wire.call("lists.field.add", {**about, "FIELDS": {"NAME": "Pages", "TYPE": "N"}}).result
    assert set(wire.both("lists.field.get", about)["result"]) == {"NAME", field}
    for n in range(3):
        fields = {"NAME": f"E{n}", field: n}
        assert wire.call("lists.element.add", {**about, "ELEMENT_CODE": f"e{n}", "FIELDS": fields}).result == n + 1
    again = wire.call("lists.element.add", {**about, "ELEMENT_CODE": "e1", "FIELDS": {"NAME": "x"}})
    assert again.json["error"] == "ERROR_ELEMENT_ALREADY_EXISTS"
    page = wire.both("lists.element.get", {**about, "FILTER": {">ID": 1}, "ELEMENT_ORDER": {"ID": "DESC"}})
    assert [row[field] for row in page["result"]] == [{"300": "2"}, {"200": "1"}]
    assert (page["total"], wire.both("lists.element.get", {**about, "ELEMENT_ID": 9})["error"]) == (
        2,
        "ERROR_ELEMENT_NOT_FOUND",
    )
    assert wire.both("lists.element.get", {**about, "FILTER": {"NAME": "no"}}) == {"result": []}
    assert wire.call("lists.element.update", {**about, "ELEMENT_ID": 1, "FIELDS": {"NAME": "N"}}).result is True
    assert wire.both("lists.element.get", {**about, "ELEMENT_CODE": "e0"})["result"][0]["NAME"] == "N"
    assert wire.call("lists.element.delete", {**about, "ELEMENT_ID": 1}).result is True
    assert wire.call("lists.section.add", {**about, "SECTION_CODE": "s", "FIELDS": {"NAME": "S"}}).result == 1
    assert wire.both("lists.section.get", {**about, "FILTER": {">ID": 5}})["result"][0]["NAME"] == "S"
    assert wire.call("lists.delete", about).result is True


@pytest.mark.parametrize(("unique", "name"), [("Y", "a (1).txt"), ("N", "a (1).txt"), (True, "a (1).txt"), ("0", None)])
def test_files(wire, unique, name):
    """A file of a name that is taken gets another one, for which any text is a yes, N too."""
    root = wire.both("disk.storage.get", {"id": 1})["result"]["ROOT_OBJECT_ID"]
    folder = wire.call("disk.folder.addsubfolder", {"id": root, "data": {"NAME": "F"}}).result
    content = ["a.txt", "aGVs\nbG8="]
    first = wire.call("disk.folder.uploadfile", {"id": folder["ID"], "fileContent": content}).result
    assert (first["NAME"], first["SIZE"], first["TYPE"], first["PARENT_ID"]) == ("a.txt", "5", "file", folder["ID"])
    params = {"id": folder["ID"], "data": {"NAME": "a.txt"}, "fileContent": content[1], "generateUniqueName": unique}
    second = wire.call("disk.folder.uploadfile", params).json
    assert second.get("error", "") == ("" if name else "DISK_OBJ_22000")
    children = wire.both("disk.folder.getchildren", {"id": folder["ID"], "filter": {"TYPE": "file"}})["result"]
    assert [row["NAME"] for row in children] == ["a.txt", *([name] if name else [])]
    assert wire.call("disk.folder.deletetree", {"id": folder["ID"]}).result is True
    assert wire.both("disk.storage.getchildren", {"id": 1})["result"] == []
    assert wire.both("disk.file.get", {"id": first["ID"]})["error"] == "ERROR_NOT_FOUND"
