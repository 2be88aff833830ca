"""Ways to write a path where a name is asked for: each has once passed somebody's guard."""

from itertools import product

#: Two dots and a slash, as they are written by those who look for a gap.
_UP = [
    "../", "..\\", "..%2f", "..%2F", "%2e%2e/", "%2e%2e%2f", "%2E%2E%2F", "%252e%252e%252f",
    "..%252f", "%25252e%25252e%25252f", "..%5c", "%2e%2e%5c", "..%255c", "..%c0%af",
    "%c0%ae%c0%ae%c0%af", "%e0%80%ae%e0%80%ae%e0%80%af", "..%ef%bc%8f", "..\uff0f",
    "\uff0e\uff0e/", "\uff0e\uff0e\uff0f", "\u2024\u2024/", "\u2025/", "..\u2215", "..\u2044",
    "..;/", "..%3b/", ".../", "..../", "....//", "..//", ".//../", "/../", "\\..\\", "..\0/",
    "..%00/", "%uff0e%uff0e%u2215", "..%u2216", "0x2e0x2e/", "..\t/", ".. /", ". ./", "..\r\n/",
]  # fmt: skip

#: What they look for.
_TARGETS = ["rent", "etc/passwd", "promoted.json"]

#: Spellings that need no way up.
_OTHERS = [
    ".", "..", "...", "./", "../", "~", "~root", "~/.ssh/id_rsa", "$HOME", "${HOME}", "%HOME%",
    "/", "//", "///", "/etc/passwd", "//etc/passwd", "///etc/passwd", "/proc/self/environ",
    "/dev/zero", "/dev/stdin", "\\", "\\\\", "\\etc\\passwd", "\\\\host\\share", "//host/share",
    "\\\\?\\C:\\", "\\\\.\\pipe\\x", "C:", "C:\\", "C:/", "c:rent", "file:///etc/passwd",
    "file://localhost/etc/passwd", "file:rent", "http://127.0.0.1/", "https://example.test/x",
    "ftp://127.0.0.1/x", "s3://bucket/key", "gs://bucket/key", "az://container/key",
    "jar:file:///x!/y", "data:text/plain,x", "php://input", "gopher://127.0.0.1/",
    "CON", "NUL", "PRN", "AUX", "COM1", "LPT1", "con", "nul", "con.json", "NUL.onnx", "aux.",
    "parcel.", "parcel..", "parcel ", " parcel", "parcel/", "/parcel", "parcel//", "./parcel",
    "parcel/.", "parcel/..", "parcel/../parcel", "parcel/./", "parcel\\", "parcel\0",
    "parcel\0.json", "parcel%00", "parcel%00.json", "parcel%20", "parcel%2f", "parcel%5c",
    "parcel\n", "parcel\r\n", "parcel\t", "parcel;x", "parcel?x", "parcel#x", "parcel%3f",
    "parcel%23", "parcel::$DATA", "parcel:stream", "PARCEL", "Parcel", "PARCEL~1", "p\u0430rcel",
    "parc\u00e9l", "parce\u0301l", "\u202elecrap", "\u200bparcel", "parcel\ufeff", "\u2066parcel",
    "\uff50arcel", "parce\u2113", "*", "?", "[a-z]*", "par*", "p?rcel", "{parcel,rent}", "**",
    "**/card.json", "parcel/*", "|id", ";id", "`id`", "$(id)", "&&id", "'", '"', "' OR '1'='1",
    "<script>", "{{7*7}}", "${7*7}", "%s%s%s", "%n", "{0}", "-", "--help", "-rf", "_", "__init__",
    ".git", ".env", ".writing-x", ".promoted.json", "card.json", "promoted.json", "model.onnx",
    "p" * 64, "p" * 255, "p" * 256, "p" * 300, "p" * 5000, "p/" * 150, "../" * 100 + "etc/passwd",
    "0", "-1", "1e9", "nan", "null", "true", "[]", "{}", "latest", "\u0660", "\u0968",
    "\U0001f4a9", "\ud7ff", "\x7f", "\x1b[31m", "\x01", "%", "%%", "%2", "%zz", "%ff", "%80",
    "%c3%28", "\u00a0", "\u3000", "+", "parcel+", "%2b", "xn--parcel", "parcel@rent", "parcel=rent",
    "20200102T030405Z-", "20200102T030405Z-00000", "20200102T030405Z-0000g",
    "20200102T030405Z-00000/", "\u0662\u0660200102T030405Z-00000", "20200102t030405z-00000",
]  # fmt: skip

#: All of them, none twice. No file and no version of the toys is called so.
SPELLINGS = list(
    dict.fromkeys([*_OTHERS, *(f"{up}{target}" for up, target in product(_UP, _TARGETS))])
)
