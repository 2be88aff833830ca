"""The code that sends a record: for a shell, Python, JavaScript and R.

A key is named by the environment variable that holds it, and never shown.
"""

import json
import pprint
import shlex
from collections.abc import Mapping
from typing import Any

#: The environment variable that holds the caller's key.
_VARIABLE = "API_KEY"

_PYTHON = """\
import os
import requests

record = {record}
answer = requests.post(
    {address!r},
    json=record,{headers}
)
answer.raise_for_status()
print(answer.json()["prediction"])"""

_JAVASCRIPT = """\
const record = {record};
const answer = await fetch({address}, {{
  method: "POST",
  headers: {{ "Content-Type": "application/json"{headers} }},
  body: JSON.stringify(record),
}});
if (!answer.ok) throw new Error(await answer.text());
console.log((await answer.json()).prediction);"""

_R = """\
library(httr2)

record <- r"{dashes}({record}){dashes}"
answer <- request({address}) |>
  req_body_raw(record, "application/json") |>{headers}
  req_perform() |>
  resp_body_json()
print(answer$prediction)"""


def code_samples(address: str, record: Mapping[str, Any], *, has_key: bool) -> dict[str, str]:
    """Return the code by language; with a key where the service needs one."""
    text = _visible(json.dumps(record, ensure_ascii=False, indent=2))
    quoted = json.dumps(address)
    return {
        "curl": _curl(address, text, has_key=has_key),
        "Python": _PYTHON.format(
            record=pprint.pformat(dict(record), sort_dicts=False, width=80), address=address,
            headers=f'\n    headers={{"x-api-key": os.environ["{_VARIABLE}"]}},' * has_key,
        ).removeprefix("" if has_key else "import os\n"),
        "JavaScript": _JAVASCRIPT.format(
            record=text, address=quoted,
            headers=f', "x-api-key": process.env.{_VARIABLE}' * has_key,
        ),
        "R": _R.format(
            record=text, address=quoted, dashes=_dashes(text),
            headers=f'\n  req_headers(`x-api-key` = Sys.getenv("{_VARIABLE}")) |>' * has_key,
        ),
    }  # fmt: skip


def _curl(address: str, text: str, *, has_key: bool) -> str:
    lines = [f"curl -sS {shlex.quote(address)}", "-H 'Content-Type: application/json'"]
    if has_key:
        lines.append(f'-H "x-api-key: ${_VARIABLE}"')
    return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(text)}"])


def _visible(text: str) -> str:
    """Escape what cannot be seen, or turns text, in the strings of JSON."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1]
        for letter in text
    )


def _dashes(text: str) -> str:
    """Return so many dashes that the text does not end a raw string of R."""
    dashes = ""
    while f'){dashes}"' in text:
        dashes += "-"
    return dashes
