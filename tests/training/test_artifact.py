"""The same table and code give the same bytes of the pipeline and of the export, in every run."""

import hashlib
import io
import json
import os
import subprocess
import sys
from zipfile import ZipFile

import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import loads

from engine.training.artifact import dump_pipeline
from persistence.model_persistence import ModelStore
from tests.support.project import ROOT
from tests.support.runtimes import RUN_FILE
from tests.support.toys import rent

#: Trains a toy and prints what its version is made of.
TRAIN = """
import hashlib, json
from tests.support.models import in_silence
from tests.support.toys import rent
from engine.training.train import train
trained = train("rent", rent.definition, rent.definition.sample, step=in_silence)
files = {name: hashlib.sha256(file).hexdigest() for name, file in trained.files.items()}
print(json.dumps([trained.card, files]))
"""


def fitted(words: list[str]) -> Pipeline:
    """A pipeline with arrays, a set in an order of its own, and text that is not interned."""
    table = rent.load_data(rent.definition.sample)
    step = FunctionTransformer(kw_args={"words": {"".join(word) for word in words}, "raw": b"ab"})
    pipeline: Pipeline = rent.build_pipeline().fit(table[["area", "rooms", "city"]], table["rent"])
    return Pipeline([("step", step), *pipeline.steps])


def test_pipeline_when_written_again_has_the_same_bytes_without_a_time_or_an_address() -> None:
    words = [f"word {number}" for number in range(50)]
    first, second = fitted(words), fitted(words[::-1])

    content = dump_pipeline(first)

    assert hashlib.sha256(content).digest() == hashlib.sha256(dump_pipeline(second)).digest()
    with ZipFile(io.BytesIO(content)) as archive:
        assert {(1980, 1, 1, 0, 0, 0)} == {entry.date_time for entry in archive.infolist()}
        *parts, schema = archive.namelist()
        assert "schema.json" == schema
        assert [str(number) for number in range(len(parts))] == [
            part.partition(".")[0] for part in parts
        ]


def test_pipeline_when_read_back_answers_alike() -> None:
    table = rent.load_data(rent.definition.sample)[["area", "rooms", "city"]]
    pipeline = Pipeline(fitted(["a"]).steps[1:])

    again = loads(dump_pipeline(pipeline))

    assert pipeline.predict(table).tolist() == again.predict(table).tolist()


@pytest.mark.slow
def test_training_when_repeated_with_another_hash_seed_differs_in_times_only(
    toy_store: ModelStore,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": "99", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    card, files = json.loads(done.stdout)
    other = toy_store.read_card("rent")

    assert {"model.skops", RUN_FILE} <= {
        name for name, digest in files.items() if digest == other["files"][name]["sha256"]
    }
    differing = {key for key, value in card.items() if value != other[key]}
    assert differing <= {"created_at", "seconds", "trained_by", "code"}
