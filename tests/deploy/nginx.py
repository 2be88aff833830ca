"""Runs a real nginx with the project's configuration, and what it needs around it."""

import contextlib
import http.server
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.project import ROOT
from tests.support.raw_http import connect
from tests.support.serving import DEADLINE, free_port, wait_until

FOLDER = ROOT / "deploy/docker/nginx"

#: What `compose.yaml` gives to nginx; a body may have this many bytes.
GIVEN = {"CANARY_KEY": "yes-to-the-canary", "MAX_TABLE_BYTES": "20000"}

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextlib.contextmanager
def nginx(folder: Path, listen: str, *, resolver: str, service: int) -> Iterator[int]:
    """Run nginx until the end of the block; yield its port.

    Parameters
    ----------
    listen : str
        The file that says how it listens: plain or tls, with the certificate in the folder.
    resolver : str
        Address of the name server.
    service : int
        Port of what is behind it.
    """
    port = free_port()
    rendered = _rendered(resolver)
    places = {
        "/etc/nginx/listen.conf": f"{folder}/listen.conf", "$pool:8080": f"$pool:{service}",
        "/dev/stdout": f"{folder}/access.log", "127.0.0.1:8081": f"unix:{folder}/health",
    }  # fmt: skip
    for place, here in places.items():
        assert place in rendered, place
        rendered = rendered.replace(place, here)
    listening = (FOLDER / f"{listen}.conf").read_text().replace("8080", f"127.0.0.1:{port}")
    (folder / "listen.conf").write_text(listening.replace("/etc/nginx/certificates", str(folder)))
    kept = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in _TEMPORARY)
    main = f"user root; daemon off; pid {folder}/pid; events {{}} http {{ {kept}\n{rendered} }}"
    (folder / "nginx.conf").write_text(main)
    command = ["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert 0 == checked.returncode, checked.stderr
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: _accepts(port), "nginx listens")
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _rendered(resolver: str) -> str:
    """Fill in the template as the image's own script does."""
    given = {**GIVEN, "NGINX_LOCAL_RESOLVERS": resolver}
    template = (FOLDER / "default.conf.template").read_text()
    return re.sub(r"\$\{([A-Z_]+)\}", lambda match: given[match[1]], template)


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError):
        connect(port).close()
        return True
    return False


@contextlib.contextmanager
def name_server(addresses: dict[bytes, list[str]]) -> Iterator[str]:
    """Answer for the addresses of names, as a network of containers does; yield where."""

    def serve() -> None:
        while len(question := (received := link.recvfrom(512))[0]) > 12:
            end = 13 + question[12]
            found = [socket.inet_aton(one) for one in addresses.get(question[13:end], [])]
            head = question[:2] + (b"\x81\x80" if found else b"\x81\x83") + b"\0\1"
            head += len(found).to_bytes(2, "big") + b"\0\0\0\0"
            rows = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + one for one in found)
            link.sendto(head + question[12 : end + 5] + rows, received[1])

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{link.getsockname()[1]}"
        finally:
            link.sendto(b"", link.getsockname())
            thread.join()


class Witness(http.server.ThreadingHTTPServer):
    """Answers each request with the headers that have come, but not /dropped.

    Attributes
    ----------
    asked : list of str
        The paths of all requests.
    """

    def __init__(self, host: str, port: int) -> None:
        self.asked: list[str] = []
        super().__init__((host, port), _Handler)

    @contextlib.contextmanager
    def serving(self) -> Iterator["Witness"]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Witness

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/dropped":
            return
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
