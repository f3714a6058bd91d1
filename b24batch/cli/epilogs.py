"""What stands at the end of each ``--help``: the rest of what one has to know, and examples."""

CODES = """\
exit codes:
  0 all is well          1 something failed or was skipped   2 wrong usage
  3 an answer was lost: perhaps executed (outweighs 1, 2 and 4)
  4 the portal could not be reached      141 nobody reads on
  130 Ctrl-C      143 SIGTERM      129 SIGHUP, a terminal that was closed

The webhook URL is a password. B24_WEBHOOK_URL in the environment is the place
for it: what stands on a command line, others can read (ps, the history).
"""
CALL = """\
A value of key=value is text, and the keys are as in PHP:
  fields[TITLE]=Deal   filter[>ID]=100   select[]=ID select[]=TITLE

examples:
  b24batch call crm.deal.add 'fields[TITLE]=Big deal' 'fields[OPENED]=Y'
  b24batch call crm.deal.get --params '{"id": 7}' --quiet | jq .TITLE
  b24batch call server.time --sandbox
"""
RUN = """\
Each line of the file is a command; name and idempotent may be left out:
  {"method": "crm.deal.add", "params": {"fields": {"TITLE": "Deal"}},
   "name": "any text", "idempotent": false}          (all of it on one line)
Each line of the output is the outcome of a command, in the same order:
  {"line": 1, "name": ..., "method": ..., "status": "ok", "data": 17, ...}
status tells whether it took effect: ok yes; failed, skipped no; unknown
perhaps. Blank lines have no outcome; "line" still counts them.
Lines are read, checked and sent request by request: a broken line ends the
run, and what came before it has been sent.

examples:
  b24batch run deals.jsonl > outcomes.jsonl
  b24batch run deals.jsonl --sandbox | jq 'select(.status != "ok")'
  b24batch list crm.lead.list 'filter[STATUS_ID]=NEW' |
    jq -c '{method: "crm.lead.update",
            params: {id: .ID, fields: {STATUS_ID: "JUNK"}}}' |
    b24batch run - --stop
"""
LIST = """\
examples:
  b24batch list crm.deal.list 'filter[>OPPORTUNITY]=1000' 'select[]=ID' --csv
  b24batch list crm.item.list entityTypeId=2 > deals.jsonl
  b24batch list department.get --paging start
"""
DEMO = """\
example:
  b24batch demo
"""
SANDBOX = """\
example:
  b24batch sandbox --port 8124
and in another terminal, with the URL that it prints:
  B24_WEBHOOK_URL=http://127.0.0.1:8124/rest/... b24batch call server.time
"""
