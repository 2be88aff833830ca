"""Messages to the addresses that the settings name, signed as Standard Webhooks describes."""

import base64
import hmac
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

#: Seconds until a receiver must have answered.
DEADLINE = 10.0


class NotSent(Exception):
    """The receiver did not take a message; the message says why."""


class Webhooks:
    """The receivers by name; `secret` is what is in base64 behind ``whsec_``."""

    def __init__(self, addresses: Mapping[str, str], secret: str) -> None:
        self.addresses = addresses
        self._secret = base64.b64decode(secret.removeprefix("whsec_"))

    def send(self, name: str, identifier: str, body: bytes) -> None:
        """Post JSON; raise `NotSent` unless the answer is 2xx within the deadline."""
        moment = str(int(time.time()))
        signed = hmac.digest(self._secret, f"{identifier}.{moment}.".encode() + body, "sha256")
        headers = {
            "webhook-id": identifier, "webhook-timestamp": moment,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }  # fmt: skip
        post(self.addresses[name], body, headers, name=f"the webhook {name}")


def post(address: str, body: bytes, headers: Mapping[str, str], *, name: str) -> None:
    """Post JSON to an address; raise `NotSent`, with its name, unless the answer is 2xx.

    A redirection is not followed.
    """
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    parts = urlsplit(address)
    protocol = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with closing(protocol(parts.hostname or "", parts.port, timeout=DEADLINE)) as connection:
            connection.connect()
            # The time limit of a socket begins anew with every byte.
            timer = threading.Timer(DEADLINE, connection.sock.shutdown, [2])
            timer.start()
            try:
                headers = {"Content-Type": "application/json", **headers}
                connection.request("POST", place, body, headers)
                status = connection.getresponse().status
            finally:
                timer.cancel()
    except (OSError, ValueError, HTTPException) as error:
        raise NotSent(f"{name} does not answer: {error or 'too late'}") from error
    if not 200 <= status < 300:
        raise NotSent(f"{name} answers with status {status}")
