"""The code that the form shows sends the very record, whatever is in it."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from flask.testing import FlaskClient

from engine.pages.code_samples import code_samples
from persistence.api_keys import KeyFile, make_key
from persistence.model_persistence import ModelStore
from tests.pages.test_form import Form, post
from tests.support.application import serve
from tests.support.serving import running

ODD = 'it\'s "odd" \\ $HOME `id` %s {x}\n\t</script> ]]> )" )-" é 🙂 \u202e \u2028 \x00 ${y}'

RECORD: dict[str, Any] = {"weight": 12.5, "shape": ODD, "fragile": True, "height": None, "n'\"": 1}

ADDRESS = "http://127.0.0.1:1/v0/models/parcel/predict"


def shown(page: str) -> dict[str, str]:
    """Give the code of a page by language, as a browser shows it."""
    pattern = r'<summary>([^<]+)</summary>\s*<pre tabindex="0"><code>(.*?)</code></pre>'
    return {name: unescape(code) for name, code in re.findall(pattern, page, re.DOTALL)}


def run(command: list[str], code: str, **environment: str) -> str:
    done = subprocess.run(
        command, input=code, capture_output=True, text=True, timeout=100,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.stdout


def test_code_for_a_shell_gives_curl_the_record_unchanged() -> None:
    code = code_samples(ADDRESS, RECORD, has_key=True)["curl"]

    # A function in place of curl prints what it is given.
    printed = run(["bash"], 'curl() { printf "%s\\0" "$@"; }\n' + code, API_KEY="k3y")

    arguments = printed.split("\0")[:-1]
    assert RECORD == json.loads(arguments[-1])
    assert ["-sS", ADDRESS] == arguments[:2]
    assert "x-api-key: k3y" in arguments


def test_code_in_python_is_the_record_unchanged() -> None:
    code = code_samples(ADDRESS, RECORD, has_key=False)["Python"]

    scope: dict[str, Any] = {}
    exec(code.partition("answer =")[0], scope)  # noqa: S102  our own text

    assert RECORD == scope["record"]
    assert "os" not in scope


def test_code_in_javascript_is_the_record_unchanged() -> None:
    node = which("node")
    code = code_samples(ADDRESS, RECORD, has_key=False)["JavaScript"]

    text = code.removeprefix("const record = ").partition(";\nconst answer")[0]

    assert RECORD == json.loads(text)
    if node:
        print_it = f"{code.partition('const answer')[0]}console.log(JSON.stringify(record))"
        assert RECORD == json.loads(run([node, "--input-type=module", "-"], print_it))


def test_code_in_r_holds_the_record_in_a_raw_string_that_nothing_in_it_ends() -> None:
    code = code_samples(ADDRESS, RECORD, has_key=True)["R"]

    # As R reads it: r"--( ... )--" ends at the first bracket, as many dashes and a quote.
    match = re.search(r'record <- r"(-*)\((.*?)\)\1"\n', code, re.DOTALL)

    assert match is not None
    assert RECORD == json.loads(match[2])
    assert f'request("{ADDRESS}")' in code
    assert 'req_headers(`x-api-key` = Sys.getenv("API_KEY"))' in code


def test_code_shows_what_cannot_be_seen() -> None:
    for code in code_samples(ADDRESS, RECORD, has_key=False).values():
        assert not {"\u202e", "\u2028", "\x00"} & {*code}
        assert "é" in code


def test_page_when_keys_are_needed_names_a_variable_and_the_address_of_the_proxy(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    text, key = make_key("person", scopes=["predict"])
    KeyFile(tmp_path / "keys.json").add(key)
    app = serve(toy_store, "parcel", keys_file=tmp_path / "keys.json", forwarded_prefix=True)
    headers = {"x-api-key": text, "Host": "models.example.org", "X-Forwarded-Prefix": "/ml"}

    page = app.test_client().get("/models/parcel", headers=headers).text

    samples = shown(page)
    assert ["curl", "Python", "JavaScript", "R"] == [*samples]
    for code in samples.values():
        assert "http://models.example.org/ml/v0/models/parcel/predict" in code
        assert "API_KEY" in code
    assert text not in page


def test_page_when_a_record_is_hostile_shows_its_code_as_text(toy_client: FlaskClient) -> None:
    values = Form(toy_client.get("/models/parcel")).values() | {"field.shape": ODD}

    page = post(toy_client, "/models/parcel", values).text

    assert "&lt;/script&gt; ]]&gt;" in page
    assert "</script> ]]>" not in page
    assert "</script> ]]>" in shown(page)["R"]


@pytest.mark.slow
def test_code_when_run_gets_the_answer_of_the_page(toy_store: ModelStore, tmp_path: Path) -> None:
    text, key = make_key("person", scopes=["predict"])
    KeyFile(tmp_path / "keys.json").add(key)
    with running(
        tmp_path, until="/readyz", model_store=toy_store.root, default_model="parcel",
        keys_file=tmp_path / "keys.json",
    ) as server:  # fmt: skip
        connection = server.connect()
        headers = {"x-api-key": text}
        connection.request("GET", "/models/parcel?shape=it%27s+%22odd%22", headers=headers)
        samples = shown(connection.getresponse().read().decode())
        commands = {"curl": ["bash"], "Python": [sys.executable, "-"]}
        if node := which("node"):
            commands["JavaScript"] = [node, "--input-type=module", "-"]

        for name, command in commands.items():
            printed = run(command, samples[name], API_KEY=text)

            assert re.search("'?\"?value'?\"?: ?['\"](small|medium|large)['\"]", printed), printed
