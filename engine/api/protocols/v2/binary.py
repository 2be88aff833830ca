"""The binary tensor extension: values as little-endian bytes after the JSON."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.records.problems import BadRequest

#: The header that says how long the JSON is.
HEADER_LENGTH = "Inference-Header-Content-Length"

#: The datatypes of fixed width. The only other datatype is BYTES, text.
DATATYPES: Mapping[str, "np.dtype[Any]"] = {
    "BOOL": np.dtype("u1"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}

_LENGTH = struct.Struct("<I")
#: What follows the first byte of a length that is below 256.
_ZEROS = bytes(3)


class InvalidTensor(ValueError):
    """A tensor cannot be read; the message follows its name: ``has no shape``."""


def split(body: bytes, header_length: str | None) -> tuple[bytes, bytes | None]:
    """Divide a body into its JSON and the bytes after it, which are None without the header.

    Raise `BadRequest` for a length that is not possible, and for 0.
    """
    if header_length is None:
        return body, None
    if not (header_length.isascii() and header_length.isdecimal() and len(header_length) <= 20):
        raise BadRequest(
            400,
            _("{name} is {value}: send a whole number").format(
                name=HEADER_LENGTH, value=repr(header_length[:40])
            ),
        )
    length = int(header_length)
    if length == 0:
        detail = _(
            "{header_length} is 0, a body without JSON: send JSON that names the inputs"
        ).format(header_length=HEADER_LENGTH)
        raise BadRequest(400, detail)
    if length > len(body):
        raise BadRequest(
            400,
            _("{header_length} is {length}, the body has {body} bytes").format(
                header_length=HEADER_LENGTH, length=length, body=len(body)
            ),
        )
    return body[:length], body[length:]


def read_buffer(datatype: str, count: int, raw: bytes) -> Any:
    """Read values: an array of truth values or numbers, a list of bytes for BYTES.

    Raise `InvalidTensor` when the bytes do not hold this number of values.
    """
    if datatype == "BYTES":
        texts = _read_short_texts(count, raw)
        return _read_texts(count, raw) if texts is None else texts
    kind = DATATYPES[datatype]
    if count * kind.itemsize != len(raw):
        taken = count * kind.itemsize
        raise InvalidTensor(
            _("has {raw} bytes, its shape and datatype take {taken}").format(
                raw=len(raw), taken=taken
            )
        )
    values = np.frombuffer(raw, kind)
    if datatype != "BOOL":
        return values
    if values.size and values.max() > 1:
        raise InvalidTensor(
            _("has the byte {max} for a BOOL: send 0 or 1").format(max=values.max())
        )
    return values.astype(bool)


def write_buffer(datatype: str, values: Sequence[Any]) -> bytes:
    """Write values; the inverse of `read_buffer`, but that BYTES are text."""
    if datatype != "BYTES":
        return np.asarray(values, DATATYPES[datatype]).tobytes()
    return b"".join(_LENGTH.pack(len(text)) + text for text in map(str.encode, values))


def _read_short_texts(count: int, raw: bytes) -> list[bytes] | None:
    """Read values at once: none has 256 bytes, or zeros that look like a length; None in doubt."""
    first, *parts = raw.split(_ZEROS)
    if not parts or len(first) != 1 or len(parts) != count:
        return None
    # Before the next three zeros a text ends, and the length of the next one stands.
    lengths = np.array([*map(len, parts)])
    lengths[:-1] -= 1
    sizes = lengths + _LENGTH.size
    places = np.cumsum(sizes) - sizes
    if (lengths < 0).any() or (np.frombuffer(raw, np.uint8)[places] != lengths).any():
        return None
    return [*(part[:-1] for part in parts[:-1]), parts[-1]]


def _read_texts(count: int, raw: bytes) -> list[bytes]:
    """Read values, each behind its length in four bytes."""
    texts: list[bytes] = []
    at = 0
    while at < len(raw) and len(texts) < count:
        start = at + _LENGTH.size
        if start > len(raw):
            raise InvalidTensor(
                _("ends within the length of value {texts}").format(texts=len(texts))
            )
        at = start + _LENGTH.unpack_from(raw, at)[0]
        if at > len(raw):
            rest = at - len(raw)
            raise InvalidTensor(
                _("ends {rest} bytes before value {texts} does, by its length").format(
                    rest=rest, texts=len(texts)
                )
            )
        texts.append(raw[start:at])
    if len(texts) != count or at != len(raw):
        more = _(" and {raw} bytes more").format(raw=len(raw) - at) if at != len(raw) else ""
        raise InvalidTensor(
            _("has {texts} values{more}, its shape takes {count}").format(
                texts=len(texts), more=more, count=count
            )
        )
    return texts
