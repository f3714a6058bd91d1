"""How fast a list is read, with 1 and with 50 pages a request: the portal in a process of its own, the client here.

    python benchmarks/lists.py [--rows 100000]

Prints for each method and number of pages the requests, the seconds and the rows per second. A real portal adds its
own way to each request, and takes 2 of them a second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from multiprocessing.connection import Connection

from b24batch import Session
from b24batch.sandbox import Portal

METHODS = {"crm.item.list": {"entityTypeId": 2}, "crm.deal.list": {}, "tasks.task.list": {}}


def serve(address: Connection, rows: int) -> None:
    """Run a portal with so many deals and tasks, and say how many requests it got whenever the parent asks."""
    with Portal() as portal:
        for number in range(rows):
            portal.execute("crm.deal.add", {"fields": {"TITLE": f"Deal {number}"}})
            portal.execute("tasks.task.add", {"fields": {"TITLE": f"Task {number}"}})
        address.send(portal.url)
        while address.poll(None):
            try:
                address.recv()
            except EOFError:
                return
            requests = len(portal.requests)
            portal.requests.clear()
            portal.executed.clear()
            address.send(requests)


def read(portal: Connection, b24: Session, method: str, pages: int) -> None:
    """Read one list and print what it took."""
    began = time.perf_counter()
    rows = sum(len(page) for page in b24.fetch_list(method, METHODS[method], pages_per_request=pages))
    seconds = time.perf_counter() - began
    portal.send("requests")
    requests = portal.recv()
    print(
        f"{method:16} {pages:2} pages: {rows} rows, {requests} requests, {seconds:.2f} s, {rows / seconds:.0f} rows/s"
    )


def main() -> None:
    """Start the portal and read from it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    ours, theirs = multiprocessing.Pipe()
    portal = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, rows), daemon=True)
    portal.start()
    with Session(ours.recv(), limits=None) as b24:
        for method in METHODS:
            for pages in (1, 50):
                read(ours, b24, method, pages)
    ours.close()
    portal.terminate()


if __name__ == "__main__":
    main()
