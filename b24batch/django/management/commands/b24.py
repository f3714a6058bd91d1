"""``manage.py b24``: the commands ``call``, ``list`` and ``run`` of the program, with the project's credentials."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from b24batch.cli.arguments import add_commands
from b24batch.cli.parser import Parser
from b24batch.cli.program import execute
from b24batch.cli.terminal import Exit, say
from b24batch.django.management.portals import add_portal, open_portal
from b24batch.errors import AuthError, UsageError
from b24batch.redaction import redact
from b24batch.session import Session
from b24batch.wire.auth import Webhook

#: Django's own options, which may stand behind the command too. manage.py itself has read the first two.
_DJANGO = {
    ("--settings",): "store",
    ("--pythonpath",): "store",
    ("-v", "--verbosity"): "store",
    ("--traceback",): "store_true",
    ("--no-color",): "store_true",
    ("--force-color",): "store_true",
    ("--skip-checks",): "store_true",
}


class Command(BaseCommand):
    """Calls the portal of an alias in ``B24BATCH``, or one on which the alias's application is installed."""

    help = "Call a Bitrix24 portal with the credentials in B24BATCH. Each command has a --help of its own."
    requires_system_checks = ("b24batch",)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        """Return a parser that also reads ``key=value`` behind options, as the program does."""
        parser = super().create_parser(prog_name, subcommand, **options)
        end_with = parser.error

        def parse(args: Sequence[str] | None = None, namespace: None = None) -> Namespace:
            """Parse the arguments as the program does."""
            del namespace
            return Parser.parse(parser, args)

        parser.parse_args = parse
        parser.error = lambda message: end_with(redact(message))
        return parser

    def add_arguments(self, parser: Any) -> None:
        """Add the program's commands, each with options for the portal instead of the program's own."""
        names = parser.add_subparsers(title="commands", required=True, metavar="command", parser_class=Parser)
        for command in add_commands(names):
            add_portal(command)
            for spelt, action in _DJANGO.items():
                command.add_argument(*spelt, action=action, default=SUPPRESS, help=SUPPRESS)
            lines = (command.epilog or "").splitlines()
            examples = [line.replace("b24batch ", "manage.py b24 ") for line in lines if "--sandbox" not in line]
            command.epilog = "\n".join(examples)

    def handle(self, **options: Any) -> None:
        """Run a command of the program; if it fails, end with its exit code."""
        arguments = Namespace(**options)
        code = execute(lambda: _run(arguments))
        if code and self._called_from_command_line:
            sys.exit(code)
        if code:
            raise CommandError(f"exit code {code}", returncode=code)


def _run(arguments: Namespace) -> Exit:
    try:
        session = open_portal(arguments.alias, arguments.member_id)
    except ImproperlyConfigured as wrong:
        problem = str(wrong)
    else:
        return _run_on(session, arguments)
    raise UsageError(problem)


def _run_on(session: Session, arguments: Namespace) -> Exit:
    try:
        code: Exit = arguments.run(arguments, session)
    except AuthError as refused:
        if isinstance(session.auth, Webhook):
            raise
        say(f"the portal refuses the token of the application: {refused.code}: {refused.description}")
        return Exit.FAILED
    return code
