"""Requests made up from a seed, as bytes: plain ones, odd ones, broken ones."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from engine.schema.fields import Field
from tests.support.models import TOYS
from tests.support.raw_http import request

#: Values that some field does not like, as JSON texts and as no JSON at all.
ODD = (
    "null", "true", '""', '"x"', '" 5"', '"1"', "1e400", "9007199254740992", "-1", "1e3", "2.5",
    "-0.0", "[]", "{}", "01", "NaN", "1_0", '"\\u0000"', '"\\ud800"', '"a:b"', '"d\\u0061rk, blue"',
    "[1]", '{"a":1}', "3.0000000000000001", "1" * 400, '"\\n"', "'x'", "Infinity", "+1", ".5",
)  # fmt: skip
KEYS = (
    "note",
    "data",
    "weight",
    "Weight",
    "we\\u0069ght",
    "",
    "area",
    "city",
    "extra:1",
    "p" * 300,
)

PATHS = (
    b"/v0/predict", b"/v0/predict", b"/v0/predict", b"/v0/predict", b"/v0/models/rent/predict",
    b"/v0/models/parcel/predict", b"/v0/models/nobody/predict", b"/v0/models/re%6et/predict",
    b"/v0/predict/", b"//v0/predict", b"/v0/predict?x=1", b"/v0/predict?", b"/v0/./predict",
    b"/v0/%70redict", b"/v0/predict;x", b"/v0/predict#x", b"/V0/predict", b"*", b"/livez",
    b"here:80",
    b"http://here/v0/predict", b"/v0/models/RENT/predict", b"/v0/models//predict",
    b"/v0/predict%20",
    b"/v0/models/%s/predict" % (b"a" * 65), b"/v0/models/%00/predict", b"/v0/models/../predict",
    b"/v0/models/rent/predict?a=b", b"/v0/model_info", b"/readyz", b"/nothing",
    b"/v0/pr\xc3\xa9dict",
    b"/v0/models/rent%2fpredict", b"/v0/predict?%s" % (b"q" * 4100),
    b"/v0/predict?%s" % (b"q" * 3900),
)  # fmt: skip
METHODS = (
    b"GET",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"post",
    b"POS",
    b"P\xd6ST",
    b"",
)
VERSIONS = (
    b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b" HTTP/1.1",
    b"HTTP/11", b"HTTP/0.9", b"", b"HTTP/1.1\t",
)  # fmt: skip

#: Fields that a proxy, a browser or an attacker may send.
FIELDS = (
    (b"Accept", b"*/*"), (b"Accept", b"application/json"), (b"accept", b"text/html"),
    (b"Accept", b"application/json, */*;q=0.1"), (b"ACCEPT", b""), (b"Accept", b" */* "),
    (b"X-Request-Id", b"abc-1.2_3"), (b"X-Request-Id", b"a b"), (b"X-Request-Id", b"x" * 64),
    (b"X-Request-ID", b"x" * 65), (b"x-request-id", b""), (b"X-Request-Id", b"caf\xc3\xa9"),
    (b"X-Request-Id", b"end  "), (b"X-Request-Id", b"\tend\t"), (b"X-Request-Id", b"\xa0end"),
    (b"Connection", b"close"), (b"Connection", b"Close"), (b"Connection", b"keep-alive"),
    (b"connection", b"Keep-Alive "), (b"Connection", b"close, x"), (b"Connection", b"upgrade"),
    (b"Connection", b"keep-alive, close"), (b"Connection", b""), (b"Connection", b"x-request-id"),
    (b"Content-Type", b"application/json"), (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Content-Type", b"Application/JSON;charset=UTF-8"), (b"Content-Type", b"application/json;"),
    (b"Content-Type", b"application/json; charset=latin-1"), (b"Content-Type", b"text/csv"),
    (b"Content-Type", b"text/plain"), (b"Content-Type", b""),
    (b"content-type", b" application/json"),
    (b"Content-Type", b"application/json; charset=utf-8 "),
    (b"Content-Type", b"application/json\xe9"),
    (b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"identity"), (b"Content-Encoding", b""),
    (b"Expect", b"100-continue"), (b"Expect", b"200-ok"), (b"Upgrade", b"h2c"),
    (b"TE", b"trailers"),
    (b"Upgrade", b"websocket"), (b"Trailer", b"X-A"), (b"Transfer-Encoding", b"identity"),
    (b"Transfer-Encoding", b""), (b"Transfer_Encoding", b"chunked"), (b"Content_Length", b"3"),
    (b"Host", b"here:8000"), (b"Host", b""), (b"Host", b"a b"), (b"Host", b"[::1]:80"),
    (b"Host", b"x_y"),
    (b"Host", b"here:port"), (b"Host", b"h\xc3\xa9"), (b"Host", b"a,b"), (b"Host", b"here:99999"),
    (b"Host", b"h" * 300), (b"Host", b"user@here"), (b"Host", b"here/x"), (b"HOST", b"HERE"),
    (b"Host", b"here:"), (b"Host", b"..."), (b"Host", b"-"),
    (b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Proto", b"http"), (b"X-Forwarded-Ssl", b"on"),
    (b"X-Forwarded-Ssl", b"off"), (b"X-Forwarded-Protocol", b"ssl"), (b"Script-Name", b"/x"),
    (b"X-Forwarded-For", b"1.2.3.4"), (b"X-Forwarded-Host", b"there"), (b"SCRIPT_NAME", b"/v0"),
    (b"Cookie", b"a=b; session=x"), (b"Authorization", b"Basic eDp5"), (b"Range", b"bytes=0-1"),
    (b"X-HTTP-Method-Override", b"GET"), (b"If-None-Match", b"*"), (b"User-Agent", b"\xff\xfe"),
    (b"Proxy-Connection", b"close"), (b"Keep-Alive", b"timeout=5"),
    (b"HTTP2-Settings", b"AAMAAABk"),
    (b"X:Y", b"z"), (b"X Y", b"z"), (b"X ", b"z"), (b"", b"z"), (b"(x)", b"z"),
    (b"!#$%&'*+-.^`|~", b"z"),
    (b"X-A", b"b\x00c"), (b"X-A", b"b\rc"), (b"X-A", b"b\x7fc"), (b"X-A", b"b\nc"),
    (b"X-A", b"b\x0bc"),
    (b"X-A", b"b\r\n c"), (b"X-A", b"\tb \t"), (b"X-\xc3\xa9", b"z"), (b" X-A", b"z"),
    (b"X-A", b""),
    (b"X-Long", b"x" * 3700), (b"X-Long", b"x" * 3900), (b"X-Longer", b"x" * 8180),
    (b"X-Longest", b"x" * 9000), (b"Sec-Fetch-Mode", b"cors"), (b"Origin", b"null"), (b"DNT", b"1"),
)  # fmt: skip


class Conversation(NamedTuple):
    """What a client says over one connection.

    Attributes
    ----------
    requests : tuple of bytes
        One after the other.
    pieces : tuple of bytes
        The same bytes as they are sent.
    """

    requests: tuple[bytes, ...]
    pieces: tuple[bytes, ...]


def conversations(seed: int, count: int) -> Iterator[Conversation]:
    """Make up conversations with so many requests in all."""
    draw = Random(seed)  # noqa: S311  no secrets
    while count > 0:
        requests = tuple(a_request(draw) for _ in range(draw.choice((1, 1, 2, 3, 5))))
        count -= len(requests)
        yield Conversation(requests, tuple(cut(draw, requests)))


def cut(draw: Random, requests: tuple[bytes, ...]) -> Iterator[bytes]:
    """Cut bytes anywhere: between requests, nowhere, at random, or everywhere."""
    whole = b"".join(requests)
    way = draw.random()
    if way < 0.4:
        yield from requests
    elif way < 0.65:
        yield whole
    elif way < 0.98 or len(whole) > 1500:
        places = sorted(draw.randrange(len(whole) + 1) for _ in range(draw.randint(1, 6)))
        yield from (whole[a:b] for a, b in zip([0, *places], [*places, None], strict=True))
    else:
        yield from (whole[at : at + 1] for at in range(len(whole)))


def a_request(draw: Random) -> bytes:
    """Make up a request; most have little that is odd."""
    path = draw.choice(PATHS) if draw.random() < 0.3 else b"/v0/predict"
    body = a_body(draw, "rent" if b"rent" in path else "parcel")
    fields = [draw.choice(FIELDS) for _ in range(draw.choice((0, 0, 0, 0, 0, 0, 1, 1, 1, 2)))]
    if draw.random() < 0.01:
        fields += [(b"X-%d" % n, b"y") for n in range(draw.randint(94, 102))]
    if draw.random() < 0.04:
        fields.append(a_length(draw, len(body)))
    if draw.random() < 0.04:
        fields.append(
            (b"Transfer-Encoding", draw.choice((b"chunked", b"Chunked", b"chunked, gzip")))
        )
        fields = [(b"X-Was-Length", b""), *fields]
        body = chunked(draw, body)
    method = draw.choice(METHODS) if draw.random() < 0.04 else b"POST"
    version = draw.choice(VERSIONS) if draw.random() < 0.02 else b"HTTP/1.1"
    end = b"\n" if draw.random() < 0.01 else b"\r\n"
    found = request(body, method=method, path=path, version=version, fields=fields, end=end)
    if b"X-Was-Length" in found and draw.random() < 0.9:
        found = found.replace(b"Content-Length: %d\r\n" % len(body), b"", 1)
    if draw.random() < 0.02:
        found = found.replace(b"Host: here\r\n", b"", 1)
    if draw.random() < 0.02:
        found = draw.choice((b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ")) + found
    if draw.random() < 0.04:
        found = changed(draw, found, most=found.find(b"\r\n\r\n") + 4)
    if draw.random() < 0.02:
        found += draw.choice((b"\r\n", b"\r\n\r\n", b"x", b"\n"))
    return found


def a_length(draw: Random, length: int) -> tuple[bytes, bytes]:
    """Write a Content-Length, in one of the ways that it may be written."""
    texts = (b"%d ", b" %d", b"0%d", b"+%d", b"-%d", b"%d, 7", b"0x%x", b"%d.0", b"%d;", b"%d\xb2")
    if draw.random() < 0.5:
        return b"Content-Length", draw.choice(texts) % length
    other = draw.choice((length, length - 1, length + 1, 0, length + 5000, 10**7, 2**63, 2**64))
    return b"Content-Length", b"%d" % max(0, other)


def chunked(draw: Random, body: bytes) -> bytes:
    """Write a body in chunks, now and then wrongly."""
    found, at = b"", 0
    while at < len(body):
        size = draw.choice((1, 2, 7, 100, 1000))
        part = body[at : at + size]
        at += size
        extension = draw.choice((b"", b"", b"", b";a=b", b' ; a="b"', b";", b"; a=\xe9"))
        found += b"%x%s\r\n%s\r\n" % (len(part), extension, part)
    end = draw.choice(
        (b"\r\n", b"\r\n", b"\r\n", b"X-A: b\r\n\r\n", b"Content-Length: 3\r\n\r\n", b"")
    )
    found += b"0\r\n" + end
    return changed(draw, found) if draw.random() < 0.3 else found


def changed(draw: Random, found: bytes, most: int | None = None) -> bytes:
    """Change, insert, remove or repeat some bytes."""
    most = most or len(found)
    if not most:
        return found
    at = draw.randrange(most)
    size = draw.choice((1, 1, 1, 2, 5, 20))
    byte = bytes([draw.choice((0, 9, 10, 13, 32, 34, 44, 58, 91, 93, 123, 125, 128, 195, 255, 65))])
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: found[:at] + byte + found[at + 1 :],
        lambda: found[:at] + byte + found[at:],
        lambda: found[:at] + found[at + size :],
        lambda: found[:at] + found[at : at + size] + found[at:],
    )
    return draw.choice(ways)()


def a_body(draw: Random, model: str) -> bytes:
    """Make up a body: a record, a list, columns, a table; valid more often than not."""
    fields = TOYS[model].fields
    way = draw.random()
    if way < 0.6:
        found = a_record(draw, fields)
    elif way < 0.75:
        count = draw.choice((0, 1, 1, 2, 3, 10, 40, 150))
        comma = draw.choice((",", " , ", ",\n"))
        records = (a_record(draw, fields, likely=0.002) for _ in range(count))
        found = f"[{comma.join(records)}]"
    elif way < 0.88:
        found = a_table(draw, fields)
    elif way < 0.93:
        names = ",".join(one.name for one in fields)
        found = f"{names}\n" + "1,2,3\n" * draw.randint(0, 3)
    else:
        found = draw.choice(
            ("", " ", "{}", "[]", "null", "5", '"x"', "[[]]", "{", "\ufeff{}", "[" * 99)
        )
    written = found.encode("utf-16" if draw.random() < 0.003 else "utf-8")
    return changed(draw, written) if draw.random() < 0.05 else written


def a_record(draw: Random, fields: tuple[Field, ...], likely: float = 0.02) -> str:
    """Make up a record; each field is odd with some likelihood."""
    items = [
        (one.name, draw.choice(ODD) if draw.random() < likely else a_value(draw, one))
        for one in fields
        if draw.random() > likely / 3
    ]
    if draw.random() < 3 * likely:
        items.append((draw.choice(KEYS), draw.choice(ODD)))
    if draw.random() < 0.3:
        draw.shuffle(items)
    return _object(draw, items)


def a_table(draw: Random, fields: tuple[Field, ...]) -> str:
    """Make up columns."""
    rows = draw.choice((0, 1, 2, 5, 30, 200))
    items = []
    for one in fields:
        values = [a_value(draw, one) for _ in range(rows)]
        if values and draw.random() < 0.03:
            values[draw.randrange(rows)] = draw.choice(ODD)
        if draw.random() < 0.01:
            values.append("1")
        items.append((one.name, f"[{','.join(values)}]"))
    return _object(draw, [("data", _object(draw, items))])


def _object(draw: Random, items: list[tuple[str, str]]) -> str:
    comma, colon, space = draw.choice(((",", ":", ""), (", ", ": ", ""), (",\n", " : ", "\n  ")))
    return "{" + space + comma.join(f'"{key}"{colon}{value}' for key, value in items) + space + "}"


def a_value(draw: Random, field: Any) -> str:
    """Write a valid value of a field."""
    if field.missing == "accept" and draw.random() < 0.2:
        return "null"
    if field.kind == "number":
        low, high = (0 if field.minimum is None else field.minimum), (field.maximum or 200)
        if field.integer:
            return str(draw.randint(int(low), int(high))) + draw.choice(("", "", "", ".0"))
        return repr(round(draw.uniform(low, high), draw.choice((0, 1, 3, 15))))
    words: list[Any] = [*field.categories, *field.synonyms] if field.kind == "category" else []
    return json.dumps(draw.choice(words or [True, False, *getattr(field, "synonyms", ())]))
