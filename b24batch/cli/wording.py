"""Messages of the library in the words of a shell: options instead of the keywords of Python."""

from __future__ import annotations

import re

from b24batch.errors import AjaxError, SdkError

#: The option for each keyword.
OPTIONS = {
    "allow_http": "--allow-http",
    "attempts": "--attempts",
    "chunk_size": "--chunk-size",
    "concurrency": "--concurrency",
    "cursor_id_key": "--cursor-id-key",
    "descending": "--descending",
    "halt_on_error": "--halt",
    "id_key": "--id-key",
    "journal": "--journal",
    "limit": "--limit",
    "paging": "--paging",
    "request_id": "--request-id",
    "result_key": "--result-key",
    "stop_after": "--stop-after",
    "stop_on_error": "--stop",
    "timeout": "--timeout",
}
#: Other words of Python, and how a shell says them.
_PHRASES = (
    (r"sorted\(rows, key=\.\.\.\) sorts the rows afterwards", "sort or jq sorts the rows afterwards"),
    (r"\b(read it with|page with|use) (?:Session\.)?call\b", r"\1 b24batch call"),
    (r"\bis True(?=[;,]|$)", "is true"),
    (r"\bis False(?=[;,]|$)", "is false"),
    (r"\beven False\b", "even false"),
    (r"\b(pass|got) None\b", r"\1 null"),
    (r"\bgot True\b", "got true"),
    (r"\bgot False\b", "got false"),
)
_NAMES = "|".join(OPTIONS)
_PAGING = re.compile(r"\bpaging='(\w+)'(?:(,? or) '(\w+)')?")
#: A keyword with its value, and one as the name of an argument.
_KEYWORD = re.compile(
    rf"\b(?P<given>{_NAMES})=(?:True\b)?|(?P<before>^|\(|\bomit |\binstead of | or )(?P<named>{_NAMES})(?=[:);]| or |$)"
)
_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*')")


def describe(error: SdkError) -> str:
    """Return the description of an error, in the words of a shell if it is the library's."""
    return error.description if isinstance(error, AjaxError) else to_shell(error.description)


def to_shell(message: str) -> str:
    """Return a message of the library in the words of a shell. What it quotes from the user remains as it is."""
    parts = _QUOTED.split(_PAGING.sub(_name_paging, message))
    return "".join(part if number % 2 else _translate(part) for number, part in enumerate(parts))


def _translate(text: str) -> str:
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    return _KEYWORD.sub(_name_option, text)


def _name_option(match: re.Match[str]) -> str:
    return f"{match['before'] or ''}{OPTIONS[match['given'] or match['named']]}"


def _name_paging(match: re.Match[str]) -> str:
    other = f"{match[2]} {match[3]}" if match[2] else ""
    return f"--paging {match[1]}{other}"
