"""Signed versions: whoever has no key can make none that is served."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import build_model
from engine.runtime.loading import load_version
from persistence.card_file import card_digest, card_text, fingerprint
from persistence.model_persistence import ModelStore
from persistence.signatures import CannotSign, SigningKeys
from persistence.store_errors import UntrustedArtifact
from settings import InvalidSettings, Settings
from tests.support.application import serve
from tests.support.models import unstored
from tests.support.pages import blocks
from tests.support.project import ROOT

DOCS = ROOT / "docs"
KEPT = ROOT / "tests/support/versions/format_2"
SECRET, OTHER = "one-secret-of-the-tests-0123456789", "another-secret-of-tests-9876543210"
_PAIR = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PRIVATE = f"ed25519-private:{base64.b64encode(_PAIR.private_bytes_raw()).decode()}"
PUBLIC = f"ed25519-public:{base64.b64encode(_PAIR.public_key().public_bytes_raw()).decode()}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(KEPT, tmp_path / "store")
    return tmp_path / "store"


def rewritten(root: Path, key: str) -> ModelStore:
    """Store the kept version again, as the promoted one, with a key."""
    store, old = ModelStore(root, signing_key=key), ModelStore(root)
    card = old.read_card("toy")
    folder = root / "toy" / card["version"]
    files = {name: (folder / name).read_bytes() for name in card["files"]}
    shutil.rmtree(folder)
    store.promote("toy", store.write(unstored(card), files))
    return store


def signature(store: ModelStore) -> Path:
    return store.root / "toy" / store.promoted("toy") / "card.sig"


@pytest.mark.parametrize(
    ("signs", "verifies"),
    [
        (SECRET, SECRET), (PRIVATE, PRIVATE), (PRIVATE, PUBLIC), (SECRET, f"{OTHER},{SECRET}"),
        (f"{OTHER}, {SECRET}", OTHER), (PRIVATE, f"{SECRET},{PUBLIC}"), (SECRET, ""), (PRIVATE, ""),
    ],
)  # fmt: skip
def test_version_when_signed_with_one_of_the_keys_is_read(
    root: Path, signs: str, verifies: str
) -> None:
    rewritten(root, signs)

    version = ModelStore(root, signing_key=verifies)

    assert load_version(version, "toy").self_test() is None


@pytest.mark.parametrize(
    ("signs", "verifies", "reason"),
    [
        ("", SECRET, "is not signed, and SIGNING_KEY is set.*flask models sign toy"),
        (SECRET, OTHER, "which is not in SIGNING_KEY.*flask models sign toy"),
        (SECRET, PUBLIC, "which is not in SIGNING_KEY"), (PRIVATE, SECRET, "not in SIGNING_KEY"),
        (f"{SECRET},{OTHER}", f"{OTHER},{PUBLIC}", "not in SIGNING_KEY"),
    ],
)  # fmt: skip
def test_version_when_signed_with_no_key_of_ours_is_refused_with_the_remedy(
    root: Path, signs: str, verifies: str, reason: str
) -> None:
    rewritten(root, signs)
    store = ModelStore(root, signing_key=verifies)

    for load in (load_version, ModelStore.read_card):
        with pytest.raises(UntrustedArtifact, match=reason):
            load(store, "toy")


@pytest.mark.parametrize("key", [SECRET, PRIVATE])
def test_version_when_forged_with_fitting_digests_is_refused(root: Path, key: str) -> None:
    store = rewritten(root, key)
    card = store.read_card("toy")
    folder = store.root / "toy" / card["version"]
    (folder / "model.onnx").write_bytes(b"something else")
    card["files"]["model.onnx"] = fingerprint(b"something else")
    card["digest"] = card_digest(card)
    card["version"] = f"{card['version'][:-5]}{card['digest'][:5]}"
    (folder / "card.json").write_bytes(card_text(card))
    folder.rename(folder.with_name(card["version"]))

    assert card == ModelStore(root).read_card("toy", card["version"])  # digests are no signature
    with pytest.raises(UntrustedArtifact, match="differs from what was signed"):
        store.read_card("toy", card["version"])


@pytest.mark.parametrize("key", [SECRET, PRIVATE, f"{SECRET},{PUBLIC}"])
def test_signature_when_it_names_another_algorithm_or_key_is_refused(root: Path, key: str) -> None:
    store = rewritten(root, key)
    whole = json.loads(signature(store).read_bytes())
    public = SigningKeys(PUBLIC)._keys[0].id
    lies = [
        {**whole, "algorithm": one}
        for one in ("none", "", "hmac-sha1", "ed25519", "hmac-sha256", "HMAC-SHA256")
        if one != whole["algorithm"]
    ]
    lies += [{**whole, "key": ""}, {**whole, "signature": ""}, {**whole, "key": f"{public[:-1]}x"}]
    lies += [{**whole, "signature": whole["signature"].upper()}, {**whole, "more": 1}, {}]
    lies += [{**whole, "signature": "00" * 32}, {**whole, "signature": "00" * 64}]

    for lie in lies:
        signature(store).write_text(json.dumps(lie))
        with pytest.raises(UntrustedArtifact, match=r"signed|signature"):
            load_version(store, "toy")
    for text in ("", "null", "[]", "[" * 2000, "\0", json.dumps(whole) + "\n", "x" * 5000):
        signature(store).write_text(text)
        with pytest.raises(UntrustedArtifact, match="signature"):
            load_version(store, "toy")
    signature(store).write_text(json.dumps(whole))
    assert load_version(store, "toy").self_test() is None


def test_signature_when_a_public_key_is_used_as_a_secret_does_not_fit(root: Path) -> None:
    store = rewritten(root, PRIVATE)
    content = (signature(store).parent / "card.json").read_bytes()
    forged = json.loads(SigningKeys(PUBLIC.partition(":")[2]).sign(content))
    forged["key"] = json.loads(signature(store).read_bytes())["key"]

    signature(store).write_text(json.dumps(forged))

    with pytest.raises(UntrustedArtifact, match="its key by ed25519"):
        load_version(ModelStore(root, signing_key=PUBLIC), "toy")


def test_version_when_moved_to_another_name_keeps_no_signature(root: Path) -> None:
    store = rewritten(root, SECRET)
    shutil.copytree(root / "toy", root / "another")

    with pytest.raises(UntrustedArtifact, match="was changed after it was written"):
        load_version(store, "another")


def run(root: Path, key: str, *arguments: str) -> Result:
    app = serve(ModelStore(root), "toy", signing_key=key)
    return app.test_cli_runner().invoke(args=["models", *arguments])


def test_sign_when_a_version_is_of_before_makes_it_one_that_is_served(root: Path) -> None:
    store = ModelStore(root, signing_key=SECRET)
    version = store.promoted("toy")

    assert "is not signed" in run(root, SECRET, "show", "toy").stderr
    assert "is not signed" in run(root, SECRET, "promote", "toy", version).stderr
    done = run(root, SECRET, "sign", "toy", version)

    assert (0, f"{version} of toy is signed.\n") == (done.exit_code, done.stdout)
    assert 0 == run(root, SECRET, "promote", "toy", version).exit_code
    assert 0 == run(root, PRIVATE, "sign", "toy", version).exit_code  # rotation
    assert 0 == run(root, PUBLIC, "promote", "toy", version, "--dry-run").exit_code


def test_sign_when_the_version_is_damaged_refuses(root: Path) -> None:
    version = ModelStore(root).promoted("toy")
    (root / "toy" / version / "model.skops").write_bytes(b"x")

    done = run(root, SECRET, "sign", "toy", version)

    assert (1, False) == (done.exit_code, (root / "toy" / version / "card.sig").exists())
    assert "differs from the digest" in done.stderr


@pytest.mark.parametrize(("key", "reason"), [("", "set SIGNING_KEY"), (PUBLIC, "cannot sign")])
def test_sign_when_there_is_no_key_that_signs_says_so(root: Path, key: str, reason: str) -> None:
    done = run(root, key, "sign", "toy", ModelStore(root).promoted("toy"))

    assert (1, True) == (done.exit_code, reason in done.stderr)


def test_training_when_the_key_cannot_sign_ends_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGNING_KEY", PUBLIC)
    monkeypatch.setenv("MODEL_STORE", str(tmp_path))

    status = build_model.main(["credit"])

    told = capsys.readouterr()
    assert (1, "") == (status, told.out)
    assert "begins with a public key, which cannot sign" in told.err


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from persistence.signatures import SigningKeys
try:
    SigningKeys(sys.argv[1]).sign(b"")
except ValueError as error:
    print(error)
SigningKeys("a-secret-of-the-tests-0123456789").sign(b"")
print("cryptography.hazmat" in sys.modules)
"""


def test_key_when_cryptography_is_not_installed_says_so_and_a_secret_needs_none() -> None:
    command = [sys.executable, "-c", WITHOUT, PRIVATE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    sentence, is_loaded = done.stdout.splitlines()
    assert "cryptography is not installed: pip install cryptography" in sentence
    assert "False" == is_loaded


@pytest.mark.parametrize(
    "text",
    [
        "short", "a" * 40, f"{SECRET},short", f"{SECRET},", "ed25519-private:", "ed25519:abc",
        f"{PRIVATE[:-2]}", f"{PUBLIC}x", "ed25519-private:" + "!" * 44, "ed25519",
    ],
)  # fmt: skip
def test_setting_when_it_is_no_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidSettings, match="SIGNING_KEY is no key, or too weak") as refused:
        Settings.from_environment({"SIGNING_KEY": text})

    secret = text.rpartition(":")[2]
    assert secret in ("", "ed25519") or secret not in str(refused.value)


@pytest.mark.parametrize("text", [SECRET, PRIVATE, PUBLIC, f"{SECRET}, {PUBLIC},{OTHER}"])
def test_setting_when_it_is_a_key_is_taken(text: str) -> None:
    assert text == Settings.from_environment({"SIGNING_KEY": text}).signing_key


def test_keys_when_made_as_the_page_says_sign_and_verify(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (block,) = (one for one in blocks(DOCS / "how-to/sign-versions.md") if one.kind == "python")

    exec(block.text, {})  # noqa: S102

    private, public = capsys.readouterr().out.split()
    for text in (private, public):
        assert text == Settings.from_environment({"SIGNING_KEY": text}).signing_key
    signed = SigningKeys(private).sign(b"card")
    SigningKeys(public).verify(b"card", signed, name="toy", version="1")
    with pytest.raises(UntrustedArtifact, match="differs from what was signed"):
        SigningKeys(public).verify(b"cart", signed, name="toy", version="1")


def test_keys_when_only_public_sign_nothing() -> None:
    with pytest.raises(CannotSign):
        SigningKeys(f"{PUBLIC},{SECRET}").sign(b"")
