"""An S3 of our own for the tests: moto's server in a process, one request at a time.

moto looks at a condition and writes in two steps, S3 in one: so a lock keeps
its requests apart. The process ends with the one that started it.
"""

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.project import ROOT
from tests.support.serving import free_port, wait_until

#: The bucket that is there.
BUCKET = "versions"


def variables(port: int) -> dict[str, str]:
    """Give the environment in which a client finds it."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
    }  # fmt: skip


@contextmanager
def s3_server() -> Iterator[int]:
    """Run the server; give its port on 127.0.0.1."""
    port = free_port()
    command = [sys.executable, "-m", "tests.support.s3", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:
        try:
            wait_until(lambda: has_made_bucket(port), "a bucket")
            yield port
        finally:
            process.kill()


def has_made_bucket(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("PUT", f"/{BUCKET}")
        return connection.getresponse().status == 200
    except OSError:
        return False


def main(port: str) -> None:
    """Serve until standard input ends."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: Any, start: Any) -> list[bytes]:
        with lock:
            return list(app(environ, start))

    server = make_server("127.0.0.1", int(port), one_at_a_time, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
