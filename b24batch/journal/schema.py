"""The tables of a journal in a SQLite file."""

from __future__ import annotations

from collections.abc import Collection

#: Marks the file as a journal: "b24b" in ASCII.
APPLICATION_ID = 0x62323462
#: The version of the tables.
FORMAT = 1

TABLES = (
    """
    CREATE TABLE run (portal TEXT NOT NULL, started REAL NOT NULL, lives INTEGER NOT NULL)
    """,
    """
    CREATE TABLE requests (
        number INTEGER PRIMARY KEY, request_id TEXT NOT NULL, sent REAL NOT NULL, answered REAL, http_status INTEGER
    )
    """,
    """
    CREATE TABLE commands (
        key TEXT PRIMARY KEY, position INTEGER, method TEXT NOT NULL, digest TEXT NOT NULL, request INTEGER NOT NULL,
        status TEXT NOT NULL, data TEXT, error TEXT, total INTEGER, next INTEGER,
        deaths INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    """
    CREATE VIEW outcomes AS
        SELECT key, position, method, CASE status WHEN 'sent' THEN 'unknown' ELSE status END AS status, data, error,
            request_id, strftime('%Y-%m-%dT%H:%M:%SZ', sent, 'unixepoch') AS sent
        FROM commands LEFT JOIN requests ON number = request ORDER BY position, key
    """,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)

#: What a file is. One statement, so that it is read as it was at one moment: another process may be filling it.
FORMAT_OF_FILE = """
SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
FROM pragma_application_id, pragma_user_version
"""

#: Takes commands that may be sent: those that are new, were not executed, or were corrected after they failed; and
#: if they may run twice, those without an answer from an earlier life.
CLAIM = """
INSERT INTO commands (key, position, method, digest, request, status) VALUES (?1, ?2, ?3, ?4, ?5, 'sent')
ON CONFLICT (key) DO UPDATE SET
    position = excluded.position, method = excluded.method, digest = excluded.digest, request = excluded.request,
    status = 'sent', data = NULL, error = NULL, total = NULL, next = NULL
WHERE status = 'skipped'
    OR (status = 'failed' AND (digest <> excluded.digest OR error LIKE '{"not_executed": true,%'))
    OR (?6 AND status = 'unknown')
"""
RELEASE = "UPDATE commands SET status = ?, error = ? WHERE key = ? AND request = ? AND status = 'sent'"
#: Bound to the request, so that only the owner of the claim records an outcome.
NOTE = """
UPDATE commands SET status = ?, data = ?, error = ?, total = ?, next = ?, deaths = 0 WHERE key = ? AND request = ?
"""
KEPT = """
SELECT key, request, digest, status, data, error, total, next, http_status, request_id
FROM commands LEFT JOIN requests ON number = request WHERE key IN ({})
"""
#: Those that an earlier life may have run already.
PERHAPS = "SELECT key FROM commands WHERE status = 'unknown' AND key IN ({})"
ROWS = """
SELECT key, position, method, CASE status WHEN 'sent' THEN 'unknown' ELSE status END AS status, data, error,
    request_id, sent
FROM commands LEFT JOIN requests ON number = request
WHERE ?1 IS NULL OR CASE commands.status WHEN 'sent' THEN 'unknown' ELSE commands.status END = ?1
ORDER BY position, key
"""

#: What became of no answer: its commands are ``unknown``. Counts the lives that died meanwhile.
CUT = "UPDATE commands SET status = 'unknown', error = ?, deaths = deaths + ? WHERE status = 'sent'"
STUCK = "SELECT min(position), max(position) FROM commands WHERE status = 'sent' AND deaths >= ?"
SETTLE = "UPDATE commands SET status = ?, error = NULL, deaths = 0 WHERE key = ? AND status IN ('sent', 'unknown')"
NUMBER = "SELECT coalesce(max(number), 0) + 1 FROM requests"
REQUEST = "INSERT INTO requests (number, request_id, sent) VALUES (?, ?, ?)"
ANSWERED = "UPDATE requests SET answered = ?, http_status = ? WHERE number = ?"
COUNT = "SELECT count(*) FROM commands WHERE status IN ('ok', 'failed')"


def marks(values: Collection[object]) -> str:
    """Return a placeholder for each value."""
    return ", ".join("?" * len(values))
