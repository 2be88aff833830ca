"""What an Arrow stream or a Parquet file may make its reader do.

pyarrow believes the sizes that a file tells it. Here they are read first, so
that a small file cannot ask for a large memory: compressed Arrow is refused,
and the pages of Parquet are added up. Both formats are read no further than
needed for that.
"""

import struct
from collections.abc import Iterable
from typing import Any

from api.errors import BadRequest

#: The description of a stream's part or of a file, in bytes.
MOST_DESCRIPTION = 2**22

#: What the pages that are open at the same time may take, in bytes; their number.
MOST_OPEN, MOST_PAGES = 2**27, 100_000

#: What a stream ends with.
END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"

#: The header of a page is read from so many bytes.
_PAGE_HEADER = 2**16

#: How the values of a page may be encoded: plain, dictionary (two names), runs,
#: differences of numbers, split bytes. The rest can hold more than their bytes tell.
_ENCODINGS = {0, 2, 3, 5, 8, 9}

_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_2 = 5, 7, 8


def check_arrow(pyarrow: Any, buffer: Any) -> None:
    """See that an Arrow stream is whole, and not compressed.

    Raises
    ------
    BadRequest
        400, 413 or 415.
    struct.error, pyarrow.ArrowException, OSError
        When it is damaged.
    """
    source = pyarrow.BufferReader(buffer)
    reader = pyarrow.ipc.MessageReader.open_stream(source)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            break
        description = memoryview(message.metadata).cast("B")
        if len(description) > MOST_DESCRIPTION:
            raise BadRequest(413, f"a message is described in more than {MOST_DESCRIPTION} bytes")
        if _is_compressed(description):
            raise BadRequest(415, "the Arrow stream is compressed: write it without compression")
    is_at_end = source.tell() == len(buffer)
    if not is_at_end or memoryview(buffer)[-8:] != END_OF_STREAM:
        what = "has no end" if is_at_end else "goes on after its end"
        raise BadRequest(400, f"the Arrow stream {what}: close its writer, and send it alone")


def check_parquet(buffer: Any) -> None:
    """See that a Parquet file's description is short.

    Raises
    ------
    BadRequest
        413 when it is not.
    """
    content = memoryview(buffer)
    size = int.from_bytes(content[-8:-4], "little")
    if size > MOST_DESCRIPTION:
        raise BadRequest(413, f"the file is described in more than {MOST_DESCRIPTION} bytes")


def check_pages(buffer: Any, metadata: Any, names: Iterable[str]) -> None:
    """See that the pages of some columns are few and small enough.

    Parameters
    ----------
    metadata : pyarrow.parquet.FileMetaData
        What the file says about itself.
    names : iterable of str
        The columns that will be read.

    Raises
    ------
    BadRequest
        413, or 415 for an encoding that is not read.
    LookupError, ValueError
        When it is damaged.
    """
    content = memoryview(buffer)
    kept = tuple(names)
    pages = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        opened = 0
        for place in range(group.num_columns):
            column = group.column(place)
            path = column.path_in_schema
            if any(path == name or path.startswith(f"{name}.") for name in kept):
                count, largest = _measure(content, column)
                pages, opened = pages + count, opened + largest
        if opened > MOST_OPEN:
            detail = f"a row group's pages take more than {MOST_OPEN} bytes: write smaller pages"
            raise BadRequest(413, detail)
        if pages > MOST_PAGES:
            raise BadRequest(413, f"there are more than {MOST_PAGES} pages: write larger ones")


def _measure(content: memoryview, column: Any) -> tuple[int, int]:
    """Count a column's pages, and add up its largest page and dictionary."""
    at = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < at:
        at = column.dictionary_page_offset
    end = at + column.total_compressed_size
    if not 0 <= at <= end <= len(content):
        raise ValueError("a column lies outside of the file")
    count = data = dictionary = 0
    is_text = column.physical_type == "BYTE_ARRAY"
    while at < end and count <= MOST_PAGES:
        header, length = _read_struct(content[at : at + _PAGE_HEADER], 0)
        size, stored = header[2], header[3]
        if size < 0 or stored < 0:
            raise ValueError("a page has no size")
        for kind, place in ((_DATA_PAGE, 2), (_DATA_PAGE_2, 4), (_DICTIONARY_PAGE, 2)):
            if kind in header and header[kind][place] not in _ENCODINGS:
                detail = f"the encoding of column {column.path_in_schema[:40]!r} is not read here"
                raise BadRequest(415, f"{detail}: write it plain or with a dictionary")
        if words := header.get(_DICTIONARY_PAGE):
            if not 0 <= words[1] <= size:
                raise ValueError("a dictionary has more words than bytes")
            dictionary = max(dictionary, size + 16 * words[1] * is_text)
        else:
            data = max(data, size)
        at, count = at + length + stored, count + 1
    return count, data + dictionary


def _is_compressed(description: memoryview) -> bool:
    """Tell whether a message's description, a flatbuffer, names a compression."""

    def follow(table: int, slot: int) -> int:
        """Give where a table's field is; 0 when it is absent."""
        fields = table - struct.unpack_from("<i", description, table)[0]
        (size,) = struct.unpack_from("<H", description, fields)
        if 4 + 2 * slot >= size:
            return 0
        (offset,) = struct.unpack_from("<H", description, fields + 4 + 2 * slot)
        return table + offset if offset else 0

    def inner(place: int) -> int:
        return place + int(struct.unpack_from("<I", description, place)[0])

    message = inner(0)
    kind, header = follow(message, 1), follow(message, 2)
    if not kind or not header or description[kind] not in (2, 3):
        return False
    batch = inner(header)
    if description[kind] == 2:  # a dictionary, which holds a batch
        within = follow(batch, 1)
        if not within:
            return False
        batch = inner(within)
    return follow(batch, 3) != 0


def _read_struct(content: memoryview, at: int) -> tuple[dict[int, Any], int]:
    """Read a struct in Thrift's compact protocol: its fields by number, and where it ends."""
    found: dict[int, Any] = {}
    number = 0
    while head := content[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _read_integer(content, at)
        found[number], at = _read_value(content, at, head & 15)
    return found, at + 1


def _read_value(content: memoryview, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):  # true, false
        return kind == 1, at
    if kind == 3:
        return content[at], at + 1
    if kind in (4, 5, 6):
        return _read_integer(content, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        size, at = _read_varint(content, at)
        return None, at + size
    if kind in (9, 10):
        head = content[at]
        size, at = (head >> 4, at + 1) if head >> 4 < 15 else _read_varint(content, at + 1)
        for _ in range(size):
            # An element is one byte even where a field would be none.
            _, at = (None, at + 1) if head & 15 in (1, 2) else _read_value(content, at, head & 15)
        return None, at
    if kind == 12:
        return _read_struct(content, at)
    raise ValueError("the header of a page is damaged")


def _read_integer(content: memoryview, at: int) -> tuple[int, int]:
    value, at = _read_varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _read_varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")
