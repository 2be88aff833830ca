"""What the tests share: trained models, and the service over them.

Each model is trained once per run, whatever the number of pytest's workers.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.models import (
    build_credit,
    build_toys,
    build_younger_parcel,
    make_once,
    train_once,
)
from tests.support.postgresql import Postgresql, run_postgresql
from tests.support.project import ROOT, SAMPLE, why_no_sample
from tests.support.redis_server import run_redis
from tests.support.s3 import s3_server, variables

pytest_plugins = ["tests.support.selection"]

# The tests know no settings of this machine.
os.environ["PYTHON_DOTENV_DISABLED"] = os.environ["FLASK_SKIP_DOTENV"] = "1"
# Nor its language.
os.environ["LC_ALL"] = "C.UTF-8"
# They log where they say so: no other test writes into the project's folder.
os.environ["PREDICTION_LOG"] = "off"

hypothesis.settings.register_profile("project", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with parcel and rent, which are exported, and coin, which is native."""
    return train_once(tmp_path_factory, "toys", build_toys)


@pytest.fixture(scope="session")
def two_parcels(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The toys, and a second version of parcel, a year younger and of fewer trees."""
    younger = train_once(tmp_path_factory, "younger-parcel", build_younger_parcel)

    def make(store: ModelStore) -> None:
        for source in (toy_store, younger):
            shutil.copytree(source.root, store.root, dirs_exist_ok=True)

    return make_once(tmp_path_factory, "two-parcels", make)


@pytest.fixture(scope="session")
def toy_client(toy_store: ModelStore) -> FlaskClient:
    """Ask the toys; parcel is the default."""
    return serve(toy_store, "parcel").test_client()


@pytest.fixture(scope="session")
def sample() -> list[Path]:
    """The files of the credit sample; what needs them is skipped where they were changed."""
    if why := why_no_sample():
        pytest.skip(why)
    return [ROOT / name for name in SAMPLE]


@pytest.fixture(scope="session")
def credit_store(sample: list[Path], tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with the credit model, trained on its sample."""
    return train_once(tmp_path_factory, "credit", lambda store: build_credit(store, None), *sample)


@pytest.fixture(scope="session")
def client(credit_store: ModelStore) -> FlaskClient:
    """Ask the credit model, trained on its sample."""
    return serve(credit_store, "credit").test_client()


@pytest.fixture(scope="session")
def s3() -> Iterator[int]:
    """The port of an S3 server."""
    with s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Postgresql]:
    """A PostgreSQL server."""
    with run_postgresql() as server:
        yield server


@pytest.fixture
def postgresql(postgresql_server: Postgresql) -> Postgresql:
    """A PostgreSQL server whose database is empty."""
    with psycopg.connect(postgresql_server.address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgresql_server


@pytest.fixture
def redis_address() -> Iterator[str]:
    """The address of a Redis that has nothing."""
    with run_redis() as address:
        yield address


@pytest.fixture
def proxy(s3: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy in front of the S3 server, to which the environment leads."""
    with fault_proxy(s3) as found:
        for name, value in variables(found.port).items():
            monkeypatch.setenv(name, value)
        yield found
