"""A Redis of the tests' own."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.support.serving import free_port, wait_until


@contextmanager
def run_redis() -> Iterator[str]:
    """Run a server; give its address. The test is skipped where there is none."""
    if not shutil.which("redis-server"):
        pytest.skip("there is no redis-server: install the Debian package redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        process = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            address = f"redis://127.0.0.1:{port}/0"
            wait_until(lambda: _answers(redis.Redis.from_url(address)), "Redis")
            yield address
        finally:
            process.terminate()
            process.wait()


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
