"""The texts of each ``--help``: what the command does, notes and examples."""

from __future__ import annotations

import attrs


@attrs.frozen
class HelpText:
    """The texts about a command.

    Attributes:
        name: Its name.
        operands: Its arguments that are not options.
        about: What it does, in a sentence.
        epilog: Notes and examples.
    """

    name: str
    operands: str
    about: str
    epilog: str


CODES = """\
exit codes:
  0    success
  1    a command failed or was skipped
  2    invalid usage
  3    an answer was lost: perhaps executed (takes precedence over 1, 2 and 4)
  4    the portal is unreachable
  129  SIGHUP, such as a closed terminal
  130  Ctrl-C
  141  the reader of the output closed it (broken pipe)
  143  SIGTERM

The webhook URL is a password. Put it into the environment variable
B24_WEBHOOK_URL: others can read the command line (ps, the shell history).
"""
CALL = HelpText(
    "call",
    "METHOD [key=value ...]",
    "Call one method and print its result as JSON.",
    """\
The values of key=value are text. The keys are written as in PHP:
  fields[TITLE]=Deal   filter[>ID]=100   select[]=ID select[]=TITLE

examples:
  b24batch call crm.deal.add 'fields[TITLE]=Big deal' 'fields[OPENED]=Y'
  b24batch call crm.deal.get --params '{"id": 7}' --quiet | jq .TITLE
  b24batch call server.time --sandbox
""",
)
RUN = HelpText(
    "run",
    "FILE [key=value ...]",
    "Send a file of commands, 50 per request, and print the outcome of each.",
    """\
Each line of the file is a command; all but the method is optional:
  {"method": "crm.deal.add", "params": {"fields": {"TITLE": "Deal"}},
   "name": "any text", "idempotent": false}          (all of it on one line)
  ["crm.deal.add", {"fields": {"TITLE": "Deal"}}]
So is each element of the file, if it is one JSON array.
Each line of the output is the outcome of a command, in the same order:
  {"line": 1, "name": ..., "method": ..., "status": "ok", "data": 17, ...}
status says whether it took effect: ok: yes; failed, skipped: no;
unknown: perhaps. Blank lines have no outcome, but "line" counts them.
Lines are read, checked and sent request by request: an invalid line ends the
run, but the requests before it have been sent.

With --csv, the whole table is checked first. Cells are sent as text, and an
empty one clears its field. FIELD is
  TITLE                    a field: fields[TITLE]
  fields[PHONE][0][VALUE]  a whole key, as for b24batch call
  .id                      after a dot: a parameter beside the fields

With --journal, the same command again goes on where it was, after a crash
too; its output has all outcomes each time. The first Ctrl-C or SIGTERM then
finishes the requests in hand, a second one stops at once. Names must be
unique. Without it, Ctrl-C stops at once.

examples:
  b24batch run deals.jsonl > outcomes.jsonl
  b24batch run deals.jsonl --remaining outcomes.jsonl > rest.jsonl
  b24batch run deals.jsonl --journal deals.journal > outcomes.jsonl
  b24batch run deals.jsonl --sandbox | jq 'select(.status != "ok")'
  b24batch run --csv deals.csv --key id --method crm.deal.add \\
    --map TITLE=name --map ORIGIN_ID=id 'fields[OPENED]=Y'
  b24batch list crm.lead.list 'filter[STATUS_ID]=NEW' |
    jq -c '{method: "crm.lead.update",
            params: {id: .ID, fields: {STATUS_ID: "JUNK"}}}' |
    b24batch run - --stop
""",
)
JOURNAL = HelpText(
    "journal",
    "J",
    "Show what the journal of a run has, and settle its unknown commands.",
    """\
The exit code is 3 while a command is unknown, otherwise 0.

examples:
  b24batch journal deals.journal
  b24batch journal deals.journal --unknown | jq -r .key
  b24batch journal deals.journal --settle executed order-17 order-18
  b24batch journal deals.journal --settle not-executed order-19
""",
)
LIST = HelpText(
    "list",
    "METHOD [key=value ...]",
    "Print all rows of a list method.",
    """\
examples:
  b24batch list crm.deal.list 'filter[>OPPORTUNITY]=1000' 'select[]=ID' --csv
  b24batch list crm.deal.list --csv --delimiter ';' --bom > deals.csv
  b24batch list crm.item.list entityTypeId=2 --limit 100 > deals.jsonl
  b24batch list department.get --paging start
""",
)
DEMO = HelpText(
    "demo",
    "",
    "Show what the library does, on a sandbox portal inside this program.",
    """\
example:
  b24batch demo
""",
)
SANDBOX = HelpText(
    "sandbox",
    "",
    "Run a sandbox portal on this machine until Ctrl-C, for experiments and tests.",
    """\
example:
  b24batch sandbox --port 8124
Then, in another terminal, with the URL that it prints:
  B24_WEBHOOK_URL=http://127.0.0.1:8124/rest/... b24batch call server.time
""",
)
