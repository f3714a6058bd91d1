"""The parser of the program's arguments, whose messages repeat no secret."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from b24batch.cli.terminal import Exit

#: The two names of an option, which remain, or anything else with a slash.
_SLASHED = re.compile(r"""(?<![^\s'"])(-\w/--[\w-]+)(?![^\s'":])|[^\s'"]*/[^\s'"]*""")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formats a help whose lines do not end inside a word with a hyphen: ``not-executed``, ``X-Request-ID``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        room_for_the_longest_option = 30
        super().__init__(*args, **{"max_help_position": room_for_the_longest_option, **kwargs})

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors do not repeat a URL, which may contain a webhook's code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        layout = {"formatter_class": HelpFormatter, "allow_abbrev": False}
        super().__init__(*args, **{**layout, **kwargs})

    def error(self, message: str) -> NoReturn:
        """End the program with the usage and a message."""
        if sys.stderr is None:  # argparse would use stdout
            self.exit(Exit.USAGE)
        super().error(_SLASHED.sub(lambda match: match[1] or "<address>", message))

    def parse(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Return the arguments; without any, end the program with the help.

        Raises:
            SystemExit: For invalid arguments, ``--help`` and ``--version``, as usual with argparse.
        """
        given = sys.argv[1:] if argv is None else list(argv)
        if not given:
            self._print_message(self.format_help() if sys.stderr else "", sys.stderr)
            self.exit(Exit.USAGE)
        _refuse_options_before(self, given)
        arguments, rest = self.parse_known_args(given)
        # argparse does not accept key=value after an option that follows the first ones, and leaves the -- before it.
        mark = rest.index("--") if "--" in rest else len(rest)
        params = rest[:mark] + rest[mark + 1 :]
        unknown = [text for text in rest[:mark] if text.startswith("-")] if hasattr(arguments, "params") else params
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        if params:
            arguments.params = [*arguments.params, *params]
        return arguments


def _refuse_options_before(parser: argparse.ArgumentParser, given: Sequence[str]) -> None:
    """Refuse an option of a command before it: its value would be taken for the name of the command."""
    option = given[0].partition("=")[0]
    if option.startswith("-") and len(given) > 1 and option not in parser._option_string_actions:
        parser.error(f"unrecognized arguments: {option}; options follow the command: {parser.prog} COMMAND {option}")
