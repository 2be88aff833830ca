"""The description as a contract: a strict client keeps it, a generated one works."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from persistence.model_persistence import ModelStore
from tests.attacks.contract import KEY, VERTEX, ask_by_description, cases
from tests.support.models import EXAMPLES
from tests.support.serving import Server, running

HEADER = f"x-api-key: {KEY}"


@pytest.fixture(scope="module")
def server(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The toys behind gunicorn."""
    folder = tmp_path_factory.mktemp("contract")
    with running(folder, model_store=toy_store.root, default_model="parcel", **VERTEX) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """A client that is generated from the description."""
    folder = tmp_path_factory.mktemp("generated")
    described = folder / "openapi.json"
    connection = server.connect()
    connection.request("GET", "/openapi.json")
    described.write_bytes(connection.getresponse().read())
    config = folder / "config.json"
    config.write_text('{"post_hooks": []}')
    command = [str(Path(sys.executable).parent / "openapi-python-client"), "generate",
               "--path", str(described), "--config", str(config), "--meta", "none",
               "--output-path", str(folder / "toys_client")]  # fmt: skip
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "will not be generated" not in said
    assert "will be omitted" not in said
    sys.path.insert(0, str(folder))
    yield importlib.import_module("toys_client")
    sys.path.remove(str(folder))


def part(client: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{client.__name__}.{name}")


def call(client: ModuleType, server: Server, name: str, **arguments: Any) -> Any:
    """Call an operation of the model's through the generated client."""
    link = client.Client(base_url=f"http://127.0.0.1:{server.port}")
    return part(client, f"api.parcel_size_parcel.{name}").sync(client=link, **arguments)


@pytest.mark.slow
def test_client_when_generated_predicts_one_record(client: ModuleType, server: Server) -> None:
    models = part(client, "models")
    record = models.ParcelRecord.from_dict(EXAMPLES["parcel"])

    found = call(client, server, "v0_predict", body=record)

    assert isinstance(found, models.ParcelAnswer)
    assert found.prediction.value in models.ParcelValue
    assert found.prediction.probability > 0
    assert "parcel" == found.model.name


@pytest.mark.slow
def test_client_when_generated_predicts_a_list(client: ModuleType, server: Server) -> None:
    models = part(client, "models")
    record = models.ParcelRecord.from_dict(EXAMPLES["parcel"])

    found = call(client, server, "v0_models_parcel_predict", body=[record, record])

    assert isinstance(found, models.ParcelAnswers)
    assert 2 == len(found.predictions)


@pytest.mark.slow
def test_client_when_generated_reads_the_model_info(client: ModuleType, server: Server) -> None:
    found = call(client, server, "v0_model_info")

    assert isinstance(found, part(client, "models").ModelInfo)
    assert ("RandomForestClassifier", 10) == (found.model_name, found.num_trees)
    assert [*EXAMPLES["parcel"]] == [one["name"] for one in found.schema["fields"]]


@pytest.mark.slow
def test_client_when_generated_reads_the_problems(client: ModuleType, server: Server) -> None:
    models = part(client, "models")
    record = models.ParcelRecord.from_dict({**EXAMPLES["parcel"], "weight": -1})

    found = call(client, server, "v0_predict", body=record)

    assert isinstance(found, models.Problem)
    assert 422 == found.status
    assert [("/weight", "out_of_range")] == [(one.pointer, one.code) for one in found.errors]


@pytest.mark.slow
def test_api_when_asked_by_its_description_keeps_it(server: Server) -> None:
    status, said = ask_by_description(
        server, "-c", "all", "-n", "1", "--phases", "examples,fuzzing", "--seed", "1"
    )

    assert 0 == status, said
    assert cases(said) > 100


@pytest.mark.slow
def test_api_when_keys_are_asked_ignores_none(toy_store: ModelStore, tmp_path: Path) -> None:
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", api_key=KEY
    ) as server:
        status, said = ask_by_description(
            server, "-c", "ignored_auth,status_code_conformance", "-n", "1", "-H", HEADER,
            "--phases", "fuzzing", "--seed", "1", "--include-path-regex", "^/v0/|^/v2/models$",
        )  # fmt: skip

    assert 0 == status, said
    assert cases(said) > 20
