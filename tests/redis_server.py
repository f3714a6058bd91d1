"""A real redis-server for the tests, on a socket in a folder of its own; tests that need it are skipped without it."""

import shutil
import subprocess

import pytest

needs_server = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")


class RedisServer:
    """Starts and ends a server that keeps nothing on disk.

    Attributes:
        url: Its URL.
    """

    def __init__(self, folder):
        self.path = str(folder / "redis.sock")
        self.url = f"unix://{self.path}"
        self.start()

    def start(self):
        line = ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE)
        assert any(b"ready to accept connections" in said.lower() for said in self.process.stdout)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
