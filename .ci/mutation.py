"""A mutation run: changes one token of the core, and looks whether a test goes red.

``python .ci/mutation.py --sample 300`` tries a random sample, ``--module runs`` or ``--module runs/run:70`` one folder,
module or line, and without arguments every mutant, which takes a day. It prints each survivor with its diff, and the
share that is alive. It needs the extra ``dev``. It works in copies of the project, never in the project's own files.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import functools
import itertools
import os
import queue
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parent.parent
#: Which tests run for which modules, the quick ones first; the longest name that fits decides. In brackets stands which
#: tests of a long file. Those that are marked as slow run last, unless there are brackets.
TESTS = """
calls               calls/test_calls calls/test_references calls/test_obstacles
calls/booleans      calls/test_booleans
calls/chunks        calls/test_calls calls/test_references calls/test_references_nowhere calls/test_obstacles
                    runs/test_runs
calls/commands      calls/test_calls calls/test_stored test_secrets wire/test_retries
calls/crm           calls/test_calls
calls/earlier       calls/test_references calls/test_references_nowhere
calls/encoded       calls/test_calls calls/test_obstacles calls/test_references_nowhere calls/test_references
                    calls/test_wire_values runs/test_runs
calls/methods       calls/test_calls calls/test_references calls/test_references_nowhere wire/test_retries
calls/query         calls/test_obstacles calls/test_wire_values calls/test_booleans calls/test_references
calls/references    calls/test_references calls/test_references_nowhere test_results
calls/remaining     calls/test_references calls/test_references_nowhere calls/test_stored runs/test_runs
calls/scalars       calls/test_wire_values calls/test_booleans calls/test_stored
calls/stored        calls/test_stored
calls/values        calls/test_wire_values calls/test_obstacles test_reading
calls/words         calls/test_calls calls/test_references calls/test_references_nowhere calls/test_obstacles
                    wire/test_answers
calls/write_methods wire/test_retries
clock               wire/test_rate runs/test_operating
errors              test_errors wire/test_answers
files               files/test_contents files/test_downloads files/test_uploads
files/headers       files/test_headers files/test_uploads files/test_downloads
html                test_notebook
lists               lists/test_lists lists/test_list_endings lists/test_list_families lists/test_lists_property
lists/ahead         lists/test_lists_ahead lists/test_list_requests lists/test_list_interrupts
lists/budget        lists/test_concurrent_lists lists/test_list_requests
lists/concurrent_listing
                    lists/test_concurrent_lists lists/test_lists_ahead lists/test_list_interrupts test_last_result
lists/flight        lists/test_concurrent_lists lists/test_lists_ahead lists/test_list_interrupts
lists/hand          test_last_result lists/test_lists lists/test_concurrent_lists
lists/packed        lists/test_packed lists/test_concurrent_lists
lists/page_commands lists/test_lists lists/test_lists_ahead lists/test_concurrent_lists
lists/piece         lists/test_concurrent_lists lists/test_list_requests lists/test_list_interrupts
lists/pieces        lists/test_concurrent_lists lists/test_list_requests lists/test_list_interrupts
lists/places        lists/test_lists lists/test_concurrent_lists lists/test_lists_ahead
lists/reading       lists/test_lists lists/test_list_endings lists/test_concurrent_lists lists/test_lists_ahead
                    lists/test_list_requests
lists/survey        lists/test_concurrent_lists lists/test_list_requests
journal             journal/test_journal journal/test_lives journal/test_files
journal/file        journal/test_files journal/test_journal journal/test_journal_processes
journal/lock        journal/test_files journal/test_journal_processes journal/test_lives
journal/noted       journal/test_lives journal/test_journal
journal/paths       journal/test_files
locks               wire/test_rate wire/test_limits test_processes
lookup              test_lookup test_secrets test_tracebacks
options             test_session calls/test_calls wire/test_checks wire/test_rate wire/test_retries test_tracebacks
                    test_signatures[shows]
reading             test_reading
redaction           test_secrets test_log calls/test_calls test_tracebacks
results             test_results test_notebook calls/test_references calls/test_stored runs/test_runs
                    runs/test_operating
results/last_result test_last_result test_lookup test_results
results/named_values
                    calls/test_stored test_results
runs                runs/test_runs calls/test_references_nowhere runs/test_progress runs/test_operating
runs/chunk_run      runs/test_runs runs/test_operating calls/test_references test_statistics journal/test_lives
                    runs/test_concurrency journal/test_journal
runs/concurrent_run runs/test_concurrency journal/test_journal
runs/division       calls/test_references_nowhere calls/test_references calls/test_obstacles runs/test_runs
                    journal/test_journal
runs/elements       lists/test_list_endings
runs/gate           journal/test_journal runs/test_concurrency
runs/lanes          runs/test_concurrency runs/test_interrupts[while_a_thread] journal/test_journal
runs/open_chunk     runs/test_concurrency
runs/streaming      runs/test_runs runs/test_concurrency journal/test_journal calls/test_calls test_last_result
                    test_statistics
runs/operating      runs/test_operating lists/test_list_endings test_statistics
redis               redis/test_redis_bucket redis/test_redis_faults redis/test_redis_server
runs/payload        wire/test_answers runs/test_runs lists/test_list_endings
runs/progress       runs/test_progress
runs/requests       runs/test_runs runs/test_operating test_statistics lists/test_lists lists/test_list_endings
                    journal/test_journal test_on_request test_secrets
runs/run            runs/test_runs calls/test_references_nowhere calls/test_references runs/test_operating
                    journal/test_journal journal/test_lives test_on_request test_statistics runs/test_interrupts
runs/substitution   calls/test_references_nowhere calls/test_references runs/test_runs
session             test_session calls/test_calls runs/test_runs runs/test_progress test_secrets lists/test_lists
                    test_signatures[shows] test_last_result test_statistics test_on_request test_tracebacks
                    lists/test_list_interrupts
session/parts       test_session calls/test_calls runs/test_runs runs/test_progress test_secrets test_lookup
                    wire/test_connections calls/test_references journal/test_journal test_statistics
                    runs/test_concurrency
sqlite_errors       journal/test_journal journal/test_files oauth/test_oauth_stores
statuses            test_results test_notebook
streams             test_tracebacks runs/test_runs lists/test_lists test_last_result
wire                wire/test_wire wire/test_connections wire/test_hostile_answers wire/test_foreign_exceptions
                    test_session runs/test_matrix[idempotent-call]
wire/adapter        wire/test_wire wire/test_connections wire/test_hostile_answers wire/test_foreign_exceptions
                    wire/test_deadline_sockets test_session oauth/test_hosts runs/test_matrix[idempotent-call]
wire/addresses      wire/test_addresses test_session oauth/test_hosts
wire/answers        wire/test_answers test_session wire/test_retries test_secrets test_errors
                    runs/test_matrix[idempotent-call]
wire/auth           wire/test_auth test_secrets test_session oauth/test_oauth
wire/checks         wire/test_checks redis/test_redis_bucket
wire/codes          test_errors runs/test_runs wire/test_answers
wire/delivery       wire/test_connections wire/test_wire wire/test_foreign_exceptions test_session
                    test_last_result
wire/extra          test_errors wire/test_answers
wire/links          files/test_downloads files/test_uploads
wire/messages       wire/test_wire wire/test_hostile_answers files/test_downloads wire/test_connections
                    test_secrets[printers] oauth/test_oauth
wire/peers          wire/test_peers oauth/test_hosts
wire/rate           wire/test_rate wire/test_limits redis/test_redis_bucket
wire/renewals       wire/test_auth wire/test_wire oauth/test_oauth test_statistics
wire/repeats        wire/test_connections
wire/reports        test_on_request files/test_downloads[disk]
wire/retries        wire/test_retries wire/test_limits test_last_result test_tracebacks
wire/settings       test_session wire/test_wire
wire/statistics     test_statistics
wire/transport      wire/test_auth wire/test_wire wire/test_retries wire/test_limits wire/test_connections
                    wire/test_rate test_log oauth/test_oauth test_on_request test_statistics
                    wire/test_foreign_exceptions journal/test_journal
"""
#: Mutants that change nothing that a user could see, with the reason: the lines are the module, before, after, why.
HARMLESS = Path(__file__).with_name("harmless.tsv")
#: The operators of cosmic-ray; others only make more mutants that every test kills.
OPERATORS = """
ReplaceComparisonOperator_Eq_NotEq ReplaceComparisonOperator_NotEq_Eq ReplaceComparisonOperator_Lt_LtE
ReplaceComparisonOperator_Lt_GtE ReplaceComparisonOperator_LtE_Lt ReplaceComparisonOperator_LtE_Gt
ReplaceComparisonOperator_Gt_GtE ReplaceComparisonOperator_Gt_LtE ReplaceComparisonOperator_GtE_Gt
ReplaceComparisonOperator_GtE_Lt ReplaceComparisonOperator_Is_IsNot ReplaceComparisonOperator_IsNot_Is
ReplaceBinaryOperator_Add_Sub ReplaceBinaryOperator_Sub_Add ReplaceBinaryOperator_Mul_Div
ReplaceBinaryOperator_Div_Mul ReplaceBinaryOperator_BitOr_BitAnd ReplaceBinaryOperator_BitAnd_BitOr
ReplaceUnaryOperator_USub_UAdd ReplaceUnaryOperator_Delete_Not AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue
ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue ReplaceContinueWithBreak NumberReplacer RemoveDecorator
ZeroIterationForLoop
"""
#: Seconds that one test may take, and one mutant. One that takes longer hangs, and counts as dead.
TEST_SECONDS, MUTANT_SECONDS = 40, 400
#: What pytest ends with if none of the tests is marked as slow.
NO_TESTS = 5
#: Bytes of memory that one mutant may take.
MEMORY = 4 << 30
PYTEST = f"""
-m pytest -q -x -n 0 -p no:cacheprovider --no-header --tb=no
-o faulthandler_timeout={TEST_SECONDS} -o faulthandler_exit_on_timeout=true
""".split()


@dataclass(frozen=True)
class Mutant:
    """One change of a module."""

    module: str
    line: int
    source: str
    change: Callable[[], str]

    @functools.cached_property
    def changed(self) -> str:
        """The changed source."""
        return self.change()

    @property
    def is_valid(self) -> bool:
        """Whether it is Python, and another program."""
        with contextlib.suppress(SyntaxError):
            return ast.dump(ast.parse(self.changed)) != ast.dump(ast.parse(self.source))
        return False

    @functools.cached_property
    def diff(self) -> tuple[str, str, str]:
        """The module, and the lines before and after, without their indentation."""
        lines = list(difflib.ndiff(self.source.splitlines(), self.changed.splitlines()))
        before, after = (" ".join(line[2:].strip() for line in lines if line[0] == sign) for sign in "-+")
        return self.module, before, after

    @property
    def tests(self) -> list[str]:
        """The tests that run for it."""
        return ["test_tracebacks"] if self.diff[1].startswith("__tracebackhide__") else tests_of(self.module)


def tests_of(module: str) -> list[str]:
    """Return the tests that run for a module."""
    rows = {name: files for name, *files in map(str.split, TESTS.replace("\n ", " ").strip().splitlines())}
    fits = [name for name in rows if module == name or module.startswith(f"{name}/")]
    return rows[max(fits, key=len)] if fits else []


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module."""
    source = (ROOT / "b24batch" / f"{module}.py").read_text()
    untested = set(untested_places(ast.parse(source)))
    for (line, column), change in itertools.chain(replaced_tokens(source), replaced_statements(source)):
        if (line, column) not in untested:
            yield Mutant(module, line, source, change)


def replaced_tokens(source: str) -> Iterator[tuple[tuple[int, int], Callable[[], str]]]:
    """Yield the place of each change by an operator of cosmic-ray, and what makes it."""
    nodes = list(ast_nodes(get_ast(source)))
    for operator in (get_operator(f"core/{name}")() for name in OPERATORS.split()):
        places = [(node, start) for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (node, place) in enumerate(places):
            if getattr(node.parent, "type", "") != "parameters":  # the * before arguments by name is no product
                yield place, functools.partial(mutate_code, source, operator, occurrence)


def replaced_statements(source: str) -> Iterator[tuple[tuple[int, int], Callable[[], str]]]:
    """Yield the place of each change that cosmic-ray has no operator for, and what makes it."""
    starts = [0, *itertools.accumulate(map(len, source.encode().splitlines(keepends=True)))]
    for node in ast.walk(ast.parse(source)):
        for part, text in changes_of(node):
            start = starts[part.lineno - 1] + part.col_offset
            end = starts[part.end_lineno - 1] + part.end_col_offset
            changed = source.encode()[:start] + text.encode() + source.encode()[end:]
            yield (part.lineno, part.col_offset), changed.decode


def changes_of(node: Any) -> Iterator[tuple[Any, str]]:
    """Yield the part of a node to replace, and by what: no statement, None for a result, another exception."""
    match node:
        case ast.Expr(ast.Call()) | ast.Raise(exc=ast.AST()) | ast.AugAssign() | ast.Delete():
            yield node, "pass"
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield node, "pass"
        case ast.Return(ast.AST() as value) if not isinstance(value, ast.Constant):
            yield value, "None"
        case ast.ExceptHandler(ast.AST() as kind) if ast.unparse(kind) != "BaseException":
            yield kind, "ZeroDivisionError"
        case ast.Compare(left, [ast.In() | ast.NotIn() as operator], [right]):
            flipped = "not in" if isinstance(operator, ast.In) else "in"
            yield node, f"{ast.unparse(left)} {flipped} {ast.unparse(right)}"


def untested_places(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield the places of annotations, of what only a type checker sees, of texts of messages and of the log.

    Also of what attrs does not make: a class whose objects nobody compares, an argument that nobody passes.
    """
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef():
                parts = [node.returns, *(arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg))]
                if "overload" in map(ast.unparse, node.decorator_list):
                    yield (node.decorator_list[0].lineno, node.col_offset)
                    parts = [node]
            case ast.AnnAssign():
                parts = [node.annotation, *([node.value] if ast.unparse(node.annotation) == "TypeAlias" else [])]
            case ast.If(ast.Name("TYPE_CHECKING")) | ast.ClassDef(bases=[ast.Name("Protocol")]):
                parts = [node]
            case ast.Raise():
                parts = [inner for inner in ast.walk(node) if isinstance(inner, ast.JoinedStr)]
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))) if "log" in name.lower():
                parts = [node]
            case ast.keyword("eq" | "init", ast.Constant(False)):
                parts = [node.value]
            case _:
                continue
        for part in filter(None, parts):
            yield from places_in(part)


def places_in(node: Any) -> Iterator[tuple[int, int]]:
    """Yield every place of a node of the tree."""
    for line in range(node.lineno, node.end_lineno + 1):
        start = node.col_offset if line == node.lineno else 0
        end = node.end_col_offset if line == node.end_lineno else 200
        yield from ((line, column) for column in range(start, end))


class Copies:
    """Copies of the project, in which mutants are tried.

    Args:
        work: An empty folder for them.
        count: How many mutants are tried at once.
        tests: The test files that will run; they must be green without a mutant.

    """

    def __init__(self, work: Path, count: int, tests: list[str]) -> None:
        """Copy the files that git knows and new ones that it does not ignore, and run the tests once."""
        first, *others = self.all = [work / str(number) for number in range(count)]
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE)
        for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.decode().splitlines()):
            (first / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, first / name)
        if not passes(first, tests, None, PYTHONDONTWRITEBYTECODE=""):
            raise SystemExit("the tests are red without a mutant")
        for copy in others:
            shutil.copytree(first, copy)
        self.free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for copy in self.all:
            self.free.put(copy)

    def survives(self, mutant: Mutant) -> bool:
        """Return whether the tests of a mutant's module stay green with it."""
        copy = self.free.get()
        file = copy / "b24batch" / f"{mutant.module}.py"
        try:
            file.write_text(mutant.changed)
            return passes(copy, mutant.tests)
        finally:
            file.write_text(mutant.source)
            self.free.put(copy)


def passes(copy: Path, tests: Iterable[str], seconds: int | None = MUTANT_SECONDS, **variables: str) -> bool:
    """Return whether tests are green in a copy. No byte code is written, so that none of a mutant stays behind."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**kept, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    whole = [f"tests/{name}.py" for name in tests if "[" not in name]
    partly = [name.rstrip("]").split("[") for name in tests if "[" in name]
    runs = [whole, *([f"tests/{name}.py", "-k", keyword] for name, keyword in partly), [*whole, "-m", "slow"]]
    return all(ends_well([sys.executable, *PYTEST, *run], copy, environment, seconds) for run in runs)


def ends_well(line: list[str], copy: Path, environment: dict[str, str], seconds: int | None) -> bool:
    """Return whether a command ends with 0, and in time."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(line, cwd=copy, env=environment, start_new_session=True, **silent)
    try:
        return process.wait(seconds) in (0, NO_TESTS)
    except subprocess.TimeoutExpired:
        return False
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also the processes that a test started and left
        process.wait()


def harmless() -> set[tuple[str, ...]]:
    """Return the mutants that are known to change nothing."""
    return {tuple(line.split("\t")[:3]) for line in HARMLESS.read_text().splitlines()}


def chosen(wanted: list[str], sample: int | None, seed: int) -> list[Mutant]:
    """Return the mutants to try: of all modules with a row in the table, or of those wanted."""
    files = sorted((ROOT / "b24batch").rglob("*.py"))
    modules = [str(file.relative_to(ROOT / "b24batch").with_suffix("")) for file in files]
    names = [f"{place.partition(':')[0]}/" for place in wanted] or [""]
    modules = [module for module in modules if any(f"{module}/".startswith(name) for name in names)]
    mutants = [mutant for module in modules if tests_of(module) for mutant in mutants_of(module)]
    if wanted:
        mutants = [mutant for mutant in mutants if any(is_wanted(mutant, place) for place in wanted)]
    if sample is not None and sample < len(mutants):
        print(f"{sample} of {len(mutants)} mutants, seed {seed}", flush=True)
        return random.Random(seed).sample(mutants, sample)
    return mutants


def is_wanted(mutant: Mutant, place: str) -> bool:
    """Return whether a mutant is in a folder, a module, or a line of one, such as ``runs/run:70``."""
    name, _, line = place.partition(":")
    return f"{mutant.module}/".startswith(f"{name}/") and line in ("", str(mutant.line))


def main(words: list[str]) -> int:
    """Try the mutants that the command line asks for, and return 1 if one of them survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="try N mutants at random; default all")
    parser.add_argument("--seed", type=int, default=0, help="of the choice; default 0")
    parser.add_argument("--module", action="append", default=[], help="a folder, a module, or a line: runs/run:70")
    parser.add_argument("--processes", type=int, default=2, help="mutants to try at once; default 2")
    asked = parser.parse_args(words)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    mutants, known = chosen(asked.module, asked.sample, asked.seed), harmless()
    mutants = [mutant for mutant in mutants if mutant.is_valid]
    left = [mutant for mutant in mutants if mutant.diff not in known]
    tests = sorted({test for mutant in left for test in mutant.tests})
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(asked.processes) as pool:
        copies = Copies(Path(work), asked.processes, tests)
        alive = report(zip(left, pool.map(copies.survives, left), strict=True))
    share = 100 * alive / len(left) if left else 0.0
    print(f"{len(left)} mutants, {alive} alive ({share:.1f} %); {len(mutants) - len(left)} harmless ones left out")
    return 1 if alive else 0


def report(tried: Iterable[tuple[Mutant, bool]]) -> int:
    """Print each survivor, and return how many there are."""
    alive = 0
    for number, (mutant, survived) in enumerate(tried, 1):
        if survived:
            alive += 1
            module, before, after = mutant.diff
            print(f"{number}: {module}:{mutant.line}\n  - {before}\n  + {after}", flush=True)
    return alive


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
