"""How much memory the outcomes of a long run keep: the portal in a process of its own, the client here.

    python benchmarks/memory.py [--commands 100000]

Prints the bytes of a `Result` for each of its commands, the ``time`` block of each included.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import tracemalloc

from stream import serve

from b24batch import Session


def bytes_per_command(url: str, commands: int) -> float:
    """Return the bytes that stay with the result of so many commands, for each of them."""
    calls = [("server.time", {"n": 1})] * commands
    with Session(url, limits=None) as b24:
        b24.batch_by_chunk(calls[:100])
        gc.collect()
        tracemalloc.start()
        result = b24.batch_by_chunk(calls).raise_for_errors()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(result)


def main() -> None:
    """Start the portal and run the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=100_000)
    commands = parser.parse_args().commands
    ours, theirs = multiprocessing.Pipe()
    portal = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    portal.start()
    print(f"{bytes_per_command(ours.recv(), commands):.0f} bytes for each of {commands} commands")
    ours.close()
    theirs.close()
    portal.terminate()


if __name__ == "__main__":
    main()
