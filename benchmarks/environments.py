"""The clients, and an environment for each in the cache: built once, and again when what it holds changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
#: What a client sees of the environment: requests reads all of it at each call, so its size is in the figures.
VARIABLES = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
#: What b24batch and the floors run on: the same versions of everything.
_OURS = ("requests", "attrs", "tenacity", "urllib3>=2.2")


class Client(NamedTuple):
    """A client to measure.

    Attributes:
        script: Does its jobs, in the folder ``clients``.
        environment: The folder in the cache, shared by clients that need the same.
        requirements: What is installed there.
        imports: The statement of which the time to import is measured, if it is.
        concurrency: How many requests it is told to have on their way at once, if it can be told.
    """

    script: str
    environment: str
    requirements: tuple[str, ...]
    imports: str = ""
    concurrency: int = 1

    @property
    def on_node(self) -> bool:
        """Whether it runs on Node, where processor time and memory cannot be compared."""
        return self.script.endswith(".mjs")


#: b24batch with several requests on their way.
AT_ONCE = {f"b24batch x{n}": Client("with_b24batch.py", "ours", _OURS, concurrency=n) for n in (4, 8, 16)}
CLIENTS = {
    "b24batch": Client("with_b24batch.py", "ours", _OURS, "from b24batch import Session"),
    **AT_ONCE,
    "bare": Client("bare.py", "ours", _OURS, "import requests"),
    "by hand": Client("by_hand.py", "ours", _OURS),
    "b24pysdk": Client("with_b24pysdk.py", "b24pysdk", ("b24pysdk==1.3.2",), "from b24pysdk import BitrixWebhook"),
    "fast_bitrix24": Client(
        "with_fast_bitrix24.py", "fast_bitrix24", ("fast_bitrix24==1.8.14",), "from fast_bitrix24 import Bitrix"
    ),
    "b24jssdk": Client("with_b24jssdk.mjs", "b24jssdk", ("@bitrix24/b24jssdk@2.2.0",)),
}

#: Draws the chart.
DRAWING = Client("draw.py", "drawing", ("matplotlib>=3.8",))


def default_cache() -> Path:
    """Return the folder of the environments and the results, unless another one is given."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "b24batch-benchmarks"


def python_of(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / "bin" / "python"


def build(client: Client, cache: Path) -> None:
    """Build the environment of a client unless it stands already."""
    folder = cache / client.environment
    _build(client, folder)
    if client.requirements is _OURS:  # the checkout itself, so that a change to it is measured at once
        packages = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        (folder / packages / "checkout.pth").write_text(f"{HERE.parent}\n")


def _build(client: Client, folder: Path) -> None:
    stamp, wanted = folder / "built.txt", "\n".join((sys.version, *client.requirements))
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"building {folder}", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (_build_node if client.on_node else _build_python)(folder, client.requirements)
    stamp.write_text(wanted)


def command(client: Client, cache: Path) -> list[str]:
    """Return the command that runs a client; a module of Node finds its packages only from where it lies."""
    script, folder = HERE / "clients" / client.script, cache / client.environment
    if client.on_node:
        return ["node", str(shutil.copy(script, folder))]
    return [str(python_of(folder)), str(script)]


def versions(clients: list[Client], cache: Path) -> dict[str, dict[str, str]]:
    """Return the versions of all packages, by the environment."""
    return {client.environment: _versions(client, cache / client.environment) for client in clients}


def _build_python(folder: Path, requirements: tuple[str, ...]) -> None:
    venv.create(folder, with_pip=True)
    python = python_of(folder)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements], check=True)


def _build_node(folder: Path, requirements: tuple[str, ...]) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", *requirements], cwd=folder, check=True)


def _versions(client: Client, folder: Path) -> dict[str, str]:
    if client.on_node:
        node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
        names = [requirement.rpartition("@")[0] for requirement in client.requirements]
        found = {name: json.loads((folder / "node_modules" / name / "package.json").read_text()) for name in names}
        return {"node": node, **{name: package["version"] for name, package in found.items()}}
    listed = [str(python_of(folder)), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    answer = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    found = {package["name"]: package["version"] for package in json.loads(answer)}
    return {name: version for name, version in found.items() if name not in ("pip", "setuptools")}
