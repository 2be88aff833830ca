"""The head of every answer, whichever way it is sent."""

from werkzeug.http import HTTP_STATUS_CODES

#: The headers that every answer has, beside the request's id. Add one here, and Flask, the
#: fast path and the worker send it.
EVERY_ANSWER = {"X-Content-Type-Options": "nosniff"}

#: The same as they stand in a head.
EVERY_LINE = "".join(f"{name}: {value}\r\n" for name, value in EVERY_ANSWER.items())


def head_template(status: int, content_type: str) -> str:
    """Return the head of an answer that is sent without Flask, as a format string.

    Its fields are, in this order, the date, the value of ``Connection``, the
    length of the body, more header lines and the request's id.
    """
    return (
        f"HTTP/1.1 {status} {HTTP_STATUS_CODES[status]}\r\nServer: gunicorn\r\nDate: {{}}\r\n"
        f"Connection: {{}}\r\nContent-Type: {content_type}\r\nContent-Length: {{}}\r\n{{}}"
        f"X-Request-Id: {{}}\r\n{EVERY_LINE}\r\n"
    )
