"""How much memory a stream of commands needs: the portal in a process of its own, the client here.

    python benchmarks/stream.py [--commands 1000000]

Prints the client's peak memory over its start, the seconds, and the commands per second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection
from pathlib import Path

from b24batch import Session
from b24batch.sandbox import Portal


def serve(address: Connection) -> None:
    """Run a portal that records nothing, until the parent hangs up."""
    with Portal(record=False) as portal:
        address.send(portal.url)
        try:
            address.recv()
        except EOFError:
            return


def peak_kib() -> int:
    """Return the most memory this process has had, in KiB: getrusage would count the program that started it, too."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def stream(url: str, commands: int) -> None:
    """Send the commands and print what it took."""
    with Session(url, limits=None) as b24:
        b24.batch([("server.time",)] * 50).raise_for_errors()
        start, began = peak_kib(), time.perf_counter()
        rows = b24.stream_batch(("server.time", {"n": n}) for n in range(commands))
        done = sum(row.is_success for row in rows)
        seconds, grown = time.perf_counter() - began, peak_kib() - start
    print(f"{done} of {commands} commands ok in {seconds:.1f} s ({done / seconds:.0f}/s)")
    print(f"peak memory {grown / 1024:.1f} MiB over its start of {start / 1024:.1f} MiB")


def main() -> None:
    """Start the portal and stream to it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    commands = parser.parse_args().commands
    ours, theirs = multiprocessing.Pipe()
    portal = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    portal.start()
    stream(ours.recv(), commands)
    ours.close()
    theirs.close()
    portal.terminate()


if __name__ == "__main__":
    main()
