"""What the tests share: trained models, and the service over them.

Each model is trained once per run, whatever the number of pytest's workers.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.models import build_credit, build_toys, make_once, train_toy
from tests.support.project import ROOT
from tests.support.s3 import s3_server, variables
from tests.support.toys import parcel

hypothesis.settings.register_profile("project", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="count every skip as a failure")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files with slow tests go first, so that no worker is alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.option.no_skips:
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and collector.config.option.no_skips:
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with parcel and rent, which are exported, and coin, which is native."""
    return make_once(tmp_path_factory, "all-toys", build_toys)


@pytest.fixture(scope="session")
def two_parcels(toy_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The toys, and a second version of parcel, a year younger and of fewer trees."""

    def make(store: ModelStore) -> None:
        shutil.copytree(toy_store.root, store.root)

        def build() -> Any:
            return parcel.build_pipeline().set_params(forest__n_estimators=2)

        definition = replace(parcel.definition, build_pipeline=build, seed=3)
        trained = train_toy("parcel", definition)
        store.write({**trained.card, "created_at": "2021-01-02T03:04:05+00:00"}, trained.files)

    return make_once(tmp_path_factory, "two-parcels", make)


@pytest.fixture(scope="session")
def toy_client(toy_store: ModelStore) -> FlaskClient:
    """Ask the toys; parcel is the default."""
    return serve(toy_store, "parcel").test_client()


@pytest.fixture(scope="session")
def credit_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with the credit model, trained on its sample."""
    return make_once(tmp_path_factory, "credit", lambda store: build_credit(store, None))


@pytest.fixture(scope="session")
def client(credit_store: ModelStore) -> FlaskClient:
    """Ask the credit model, trained on its sample."""
    return serve(credit_store, "credit").test_client()


@pytest.fixture(scope="session")
def credit_data() -> Path:
    """The table of real applicants."""
    asked = os.environ.get("CREDIT_DATA")
    path = Path(asked) if asked else ROOT / "../shared/data/credit/credit_data.csv"
    if not path.is_file():
        pytest.skip(f"there is no {path}: name the table of real applicants in CREDIT_DATA")
    return path


@pytest.fixture(scope="session")
def real_store(tmp_path_factory: pytest.TempPathFactory, credit_data: Path) -> ModelStore:
    """A store with the credit model, trained on the real applicants."""
    return make_once(
        tmp_path_factory, "real-credit", lambda store: build_credit(store, credit_data)
    )


@pytest.fixture(scope="session")
def s3() -> Iterator[int]:
    """The port of an S3 server."""
    with s3_server() as port:
        yield port


@pytest.fixture
def proxy(s3: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy in front of the S3 server, to which the environment leads."""
    with fault_proxy(s3) as found:
        for name, value in variables(found.port).items():
            monkeypatch.setenv(name, value)
        yield found
