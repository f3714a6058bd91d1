"""A model of each documented list method: what its row of the table says, and nothing else."""

import csv
import random
import re
from pathlib import Path

from b24batch.sandbox import Page

with (Path(__file__).parent / "vectors" / "lists.tsv").open() as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
#: What the notes of the table say besides: no next and no total, or a total that is not one.
SILENT = {row["method"] for row in ROWS if re.search(r"no next|next never|neither next nor total", row["note"])}


class Model:
    """A list method that honours what its row of the table says, and nothing else; ids from 1 on, not in order."""

    def __init__(self, row, number, hidden=()):
        self.row, self.number, self.hidden = row, number, set(hidden)
        self.ids = list(range(1, number + 1))
        random.Random(7).shuffle(self.ids)
        self.asked = 0

    @property
    def expected(self):
        ids = sorted(self.ids) if self.row["paging"] == "cursor" else self.ids
        return [n for n in ids if n not in self.hidden]

    def __call__(self, params):
        self.asked += 1
        return getattr(self, self.row["paging"], self.own)(params)

    def cursor(self, params):
        ids, key = self.ordered(params), self.row["cursor_id_key"]
        conditions = params.get(self.row["filter_param"]) or {}
        for sign, behind in ((">", int.__gt__), ("<", int.__lt__)):
            if sign + key in conditions:
                last = conditions[sign + key]
                last = int(last) if not isinstance(last, dict | list) else 1
                ids = [n for n in ids if behind(n, last)]
        if params.start < 0:
            return self.answer(ids if self.row["method"] == "crm.calllist.list" else ids[:50])
        return self.counted(ids, params.start)

    def ordered(self, params):
        key, order, sort = self.row["cursor_id_key"], self.row["order_param"], self.row["sort_param"]
        direction = params.get(order) if sort == "-" or params.get(sort) == key else None
        direction = direction.get(key) if isinstance(direction, dict) and sort == "-" else direction
        return sorted(self.ids, reverse=direction == "DESC") if direction in ("ASC", "DESC") else self.ids

    def start(self, params):
        return self.counted(self.ids, params.start)

    def counted(self, ids, start):
        size = 20 if self.row["page_size"].startswith("own") else 50
        page, following = ids[start : start + size], start + size
        if self.row["method"] == "crm.address.list":
            return Page(self.answer(page), following if following < len(ids) else None, len(page))
        if self.row["method"] in SILENT:
            return Page(self.answer(page), None, 0 if self.row["method"].startswith("booking") else None)
        return Page(self.answer(page), following if following < len(ids) else None, len(ids))

    def whole(self, params):
        return self.answer(self.ids)

    def own(self, params):
        return self.answer(self.ids[:20])

    def answer(self, ids):
        ids, key = [n for n in ids if n not in self.hidden], self.row["result_key"].strip("?-")
        id_key = self.row["id_key"]
        if "plain values" in self.row["note"]:
            rows = ids
        elif id_key == "key":
            rows = {str(n): {"N": n} for n in ids}
        else:
            rows = [{**({} if id_key in "-?" else {id_key: str(n) if id_key == "ID" else n}), "N": n} for n in ids]
        return {key: rows} if key else rows


def by_name(method):
    """The row of a method."""
    return next(row for row in ROWS if row["method"] == method)
