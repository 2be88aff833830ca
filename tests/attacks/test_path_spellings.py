"""No spelling of a path leads anywhere: store, commands, every route, the files of a card."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from engine.runtime.loading import (
    check_version,
    load_version,
    sign_version,
)
from persistence.card_file import card_digest, card_text, fingerprint
from persistence.model_persistence import ModelStore
from persistence.names import NAME
from persistence.store_errors import ModelNotFound, UntrustedArtifact, VersionNotFound
from tests.attacks.path_spellings import SPELLINGS
from tests.support.application import serve
from tests.support.inputs import IS_WHOLE, first_daily
from tests.support.models import EXAMPLES
from tests.support.project import ROOT
from tests.support.raw_http import exchange as exchange_raw
from tests.support.raw_http import read_answers, request
from tests.support.serving import running

KEPT = ROOT / "tests/support/versions/format_2"
KEY = "a-secret-of-the-tests-0123456789"

#: The ends of routes that are refused whatever they name.
NEVER_OFFERED = ("/load", "/unload", ":explain")

#: Stands outside of the store and in files that are no answer.
MARK = "canary-outside-4417"


@pytest.fixture(scope="module")
def store(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The toys, with files around them that nobody may be led to."""
    root = tmp_path_factory.mktemp("outside") / "store"
    root.mkdir()
    for name in toy_store.names():
        (root / name).symlink_to(toy_store.root / name)
    for folder in (root.parent, root):
        for name in ("card.json", "promoted.json", "rent", "passwd"):
            path = folder / name
            if not path.exists():
                path.write_text(json.dumps({"version": MARK}))
    return ModelStore(root)


def test_spellings_when_counted_are_many_and_none_is_a_name(store: ModelStore) -> None:
    assert 200 <= len(SPELLINGS)
    assert not set(SPELLINGS) & set(store.names())
    assert len([one for one in SPELLINGS if NAME.fullmatch(one)]) < 12  # such as con and nul


def test_store_when_a_name_is_a_path_finds_nothing(store: ModelStore) -> None:
    version = store.promoted("parcel")
    before = sorted(store.root.parent.rglob("*"))

    for spelling in ("", *SPELLINGS):
        for read in (ModelStore.promoted, ModelStore.pointer, ModelStore.read_card,
                     load_version):  # fmt: skip
            with pytest.raises(ModelNotFound):
                read(store, spelling)
        for act in (ModelStore.read_card, ModelStore.promote, load_version,
                    check_version, sign_version):  # fmt: skip
            with pytest.raises(VersionNotFound):
                act(store, spelling, version)
            with pytest.raises(VersionNotFound):
                act(store, "parcel", spelling)
        assert [] == store.versions(spelling)
        if not NAME.fullmatch(spelling):
            with pytest.raises(ModelNotFound):
                store.change(spelling, never)
            with pytest.raises(ValueError, match="cannot be a model's name"):
                store.write({"model": spelling, "created_at": "2020-01-02T03:04:05+00:00"}, {})
    assert before == sorted(store.root.parent.rglob("*"))


def never(known: Any) -> Any:
    raise AssertionError("a pointer was looked for")


@pytest.mark.parametrize("key", first_daily(KEY, ""))
def test_card_when_it_lists_a_file_elsewhere_is_refused_though_all_fits(
    tmp_path: Path, key: str
) -> None:
    store = ModelStore(tmp_path, signing_key=key)
    kept = ModelStore(KEPT)
    card = kept.read_card("toy")
    content = (KEPT / "toy" / card["version"] / "model.onnx").read_bytes()
    folder = tmp_path / "toy" / card["version"]
    folder.mkdir(parents=True)
    lists = [*SPELLINGS, "card.json", "card.sig", "", "Model.onnx", "model.onnx.", ".model.onnx"]
    reasons = []

    for spelling in lists:
        forged = {**card, "files": {"model.onnx": fingerprint(content)}}
        forged["files"][spelling] = fingerprint(content)
        forged["digest"] = card_digest(forged)
        forged["version"] = f"{card['version'][:-5]}{forged['digest'][:5]}"
        folder = folder.rename(folder.with_name(forged["version"]))
        (folder / "card.json").write_bytes(text := card_text(forged))
        if store.keys:
            (folder / "card.sig").write_bytes(store.keys.sign(text))
        reasons.append((spelling, reason_of(store, forged["version"])))
    passed = [spelling for spelling, reason in reasons if not reason]
    assert {"", "which is not a version's file"} == {reason[-29:] for _, reason in reasons}
    # What is left are plain names: the folder has no such files, or has files of these names.
    assert all("/" not in one and "\\" not in one and not one.startswith(".") for one in passed)
    assert all(one.isascii() and one == one.lower() and len(one) < 100 for one in passed)
    assert "model.onnx" in passed
    assert len(passed) < 40


def reason_of(store: ModelStore, version: str) -> str:
    """Say why a card is refused; nothing when it is not."""
    try:
        store.read_card("toy", version)
    except UntrustedArtifact as error:
        return str(error)
    return ""


def addresses(client: FlaskClient) -> Iterator[tuple[str, str]]:
    """Give the methods and addresses of every route that names a model or a version."""
    for rule in client.application.url_map.iter_rules():
        if rule.arguments:
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule


def filled(rule: str, spelling: str) -> Iterator[str]:
    """Put a spelling into each place of a route, good values into the others."""
    good = {
        "<name>": "parcel",
        "<version>": "20200102T030405Z-00000",
        "<path:filename>": "docs.css",
    }
    for place in good:
        if place in rule:
            address = rule.replace(place, spelling)
            for other, value in good.items():
                address = address.replace(other, value)
            yield address


def test_route_when_a_name_is_a_path_answers_404_400_or_405(store: ModelStore) -> None:
    client = serve(store, "parcel").test_client()
    routes = [*addresses(client)]
    odd = []

    assert 20 <= len(routes)
    for row, spelling in enumerate(SPELLINGS):
        for place, (method, rule) in enumerate(routes):
            if (row + place) % (3 if IS_WHOLE else 12):
                continue  # each spelling goes to a part of the routes, in both writings
            written = quote(spelling, safe="" if place % 2 else "/%")
            known = {400, 404, 405} | ({501} if rule.endswith(NEVER_OFFERED) else set())
            for address in filled(rule, written):
                answer = client.open(address, method=method, json=EXAMPLES["parcel"])
                answer.close()
                if answer.status_code not in known or MARK in answer.text:
                    odd.append((answer.status_code, method, address[:200]))
    assert [] == odd


@pytest.mark.slow
def test_server_when_a_name_is_a_path_answers_without_looking(
    store: ModelStore, tmp_path: Path
) -> None:
    body = json.dumps(EXAMPLES["parcel"])
    addresses = ["/v0/models/%s/predict", "/v0/models/parcel/versions/%s/predict", "/inference/%s"]

    with running(tmp_path, model_store=store.root, default_model="parcel") as server:
        statuses = set()
        for spelling in SPELLINGS:
            written_so = [spelling.encode(), quote(spelling, safe="/%").encode()]
            if spelling[:7] in ("parcel?", "parcel#"):  # raw, it is parcel and a query
                written_so.pop(0)
            for written in written_so:
                for address in addresses:
                    path = address.encode().replace(b"%s", written)
                    found = exchange_raw(server.port, [request(body, path=path)])
                    first = read_answers(found)[0]
                    statuses.add(first.status)
                    assert first.status in (400, 404, 405, 414), (path[:200], first)
                    assert MARK.encode() not in found
        assert 404 in statuses
        assert 200 == server.ask("/readyz")[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "{}"], ["show", "parcel", "{}"], ["list", "--model", "{}"],
        ["promote", "{}", "20200102T030405Z-00000"], ["promote", "parcel", "{}"],
        ["rollback", "{}"], ["diff", "{}"], ["diff", "parcel", "{}"], ["sign", "parcel", "{}"],
        ["sign", "{}", "20200102T030405Z-00000"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_command_when_a_name_is_a_path_refuses_in_a_sentence(
    store: ModelStore, arguments: list[str]
) -> None:
    runner = serve(store, "parcel", signing_key=KEY).test_cli_runner()
    command = runner.app.cli.commands["models"]

    for spelling in SPELLINGS:
        words = [one.replace("{}", spelling) for one in arguments]
        if words[1] != "--model":
            words.insert(1, "--")  # else --help would be an option
        done = runner.invoke(command, words)
        assert done.exit_code in (1, 2), (words, done.exception)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        assert MARK not in done.output
