"""Which files this process has open."""

import os
import sys
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def opened_in(folder):
    """The files in a folder that this process has open, also those that are deleted."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [path for path in map(os.readlink, links) if str(folder) in path]
