"""Answers that are damaged in transit."""

from __future__ import annotations

import gzip
from collections.abc import Mapping

import attrs

from b24batch.sandbox.php import json as php_json
from b24batch.sandbox.php.values import JSON
from b24batch.sandbox.server.answers import Answer
from b24batch.sandbox.server.travel import Travel

_NO_MAPS: dict[str, JSON] = {
    "result": "nonsense",
    "result_error": 7,
    "result_total": True,
    "result_next": 1.5,
    "result_time": "",
}


def halve_unsized(answer: Answer) -> Answer:
    """Return half of the body, with no length given."""
    return _replace_body(answer, answer.body[: len(answer.body) // 2], {"Connection": "close"})


def cut_chunk(answer: Answer) -> Answer:
    """Return two chunks, the second one cut off."""
    body, half = answer.body, len(answer.body) // 2
    whole, cut = b"%x\r\n%b\r\n" % (half, body[:half]), b"%x\r\n%b" % (len(body), body[half:])
    return attrs.evolve(_replace_by_chunks(answer, whole + cut), travel=Travel(then="close"))


def garble_chunk(answer: Answer) -> Answer:
    """Return a chunk whose size is not a number."""
    return attrs.evolve(_replace_by_chunks(answer, b"many\r\n%b\r\n" % answer.body), travel=Travel(then="close"))


def add_headers(answer: Answer) -> Answer:
    """Return the answer with 1000 more headers; Python's own client accepts 100."""
    return _replace_body(answer, answer.body, {f"X-Header-{number}": "x" for number in range(1000)})


def declare_gzip(answer: Answer) -> Answer:
    """Return the unchanged body, declared as gzip."""
    return _replace_body(answer, answer.body, {"Content-Encoding": "gzip"})


def cut_gzip(answer: Answer) -> Answer:
    """Return half of the gzipped body, with the length of that half."""
    packed = gzip.compress(answer.body, mtime=0)
    return _replace_body(answer, packed[: len(packed) // 2], {"Content-Encoding": "gzip"})


def truncate_json(answer: Answer) -> Answer:
    """Return the body without its last byte."""
    return _replace_body(answer, answer.body[:-1])


def replace_maps(answer: Answer) -> Answer:
    """Return a batch answer with invalid values instead of its maps."""
    return _replace_result(answer, dict(_NO_MAPS))


def remove_maps(answer: Answer) -> Answer:
    """Return a batch answer without its maps."""
    return _replace_result(answer, {})


def remove_result(answer: Answer) -> Answer:
    """Return 200 with only the ``time`` block."""
    return Answer(php_json.dumps({"time": answer.envelope().get("time", {})}))


def _replace_body(answer: Answer, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return attrs.evolve(answer, body=body, headers={**answer.headers, **(headers or {})})


def _replace_by_chunks(answer: Answer, body: bytes) -> Answer:
    return _replace_body(answer, body, {"Transfer-Encoding": "chunked"})


def _replace_result(answer: Answer, result: JSON) -> Answer:
    envelope = answer.envelope()
    maps = envelope.get("result")
    if not isinstance(maps, dict) or "result_error" not in maps:
        return answer
    return _replace_body(answer, php_json.dumps({**envelope, "result": result}).encode())
