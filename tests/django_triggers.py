"""A database that refuses what is written into the table of tokens, in SQLite, PostgreSQL and MariaDB."""

from contextlib import contextmanager

from django.db import connection

#: What makes the table refuse an event of SQL with some words, and what takes that back.
_TRIGGERS = {
    "sqlite": (
        ["CREATE TRIGGER refuse BEFORE {event} ON b24batch_portaltoken BEGIN SELECT RAISE(ABORT, '{words}'); END"],
        ["DROP TRIGGER refuse"],
    ),
    "postgresql": (
        [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{words}'; END $$",
            "CREATE TRIGGER refuse BEFORE {event} ON b24batch_portaltoken FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
        ["DROP TRIGGER refuse ON b24batch_portaltoken", "DROP FUNCTION refuse"],
    ),
    "mysql": (
        [
            "CREATE TRIGGER refuse BEFORE {event} ON b24batch_portaltoken FOR EACH ROW "
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{words}'"
        ],
        ["DROP TRIGGER refuse"],
    ),
}


@contextmanager
def refusing(event, words):
    """Let the database refuse an INSERT or an UPDATE meanwhile."""
    made, dropped = _TRIGGERS[connection.vendor]
    for statement in made:
        _execute(statement.format(event=event, words=words))
    try:
        yield
    finally:
        for statement in dropped:
            _execute(statement)


def _execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
