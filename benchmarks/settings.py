"""The settings of the benchmarks' portal, from its command line or from the query of ``/reset``."""

from __future__ import annotations

import argparse
from typing import Any, Self
from urllib.parse import parse_qsl

import attrs

#: What a failed request meets: its commands run and the answer is lost, or they do not and the answer is 500.
FAILURES = ("lost", "error")


def _setting(default: float | str, meaning: str) -> Any:
    return attrs.field(default=default, metadata={"help": meaning}, converter=type(default))


@attrs.frozen
class Settings:
    """How slow, strict, unreliable and full the portal is."""

    latency: float = _setting(0.0, "milliseconds on the way, there and back")
    work: float = _setting(0.0, "milliseconds of processing for each command")
    workers: int = _setting(8, "processes, each of which works on one request at a time; further requests queue")
    capacity: float = _setting(0.0, "requests that the rate limit admits at once; 0: no limit")
    rate: float = _setting(0.0, "requests per second that it admits then")
    fail_every: int = _setting(0, "every so many requests one fails; 0: none")
    failure: str = _setting(FAILURES[0], f"how it fails: {' or '.join(FAILURES)}")
    rows: int = _setting(100_000, "rows of a list")
    kept: int = _setting(1, "rows that are there of every --of ids, the others were deleted")
    of: int = _setting(1, "see --kept")

    @classmethod
    def from_query(cls, query: str) -> Self:
        """Return the settings that the query of a URL names, the others at their defaults."""
        given: dict[str, Any] = dict(parse_qsl(query, strict_parsing=bool(query)))
        return cls(**given)

    @classmethod
    def from_arguments(cls, description: str) -> Self:
        """Return the settings that the command line names."""
        parser = argparse.ArgumentParser(description=description)
        for field in attrs.fields(cls):
            option, meaning = f"--{field.name.replace('_', '-')}", f"{field.metadata['help']} (default {field.default})"
            parser.add_argument(option, type=type(field.default), default=field.default, help=meaning)
        return cls(**vars(parser.parse_args()))
