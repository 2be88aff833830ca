"""The dashboard and the alerts ask for metrics that there are, and the page lists them all."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from engine.monitoring.drift import Comparison, Report
from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.candidates import copied, try_version
from tests.support.exposed import Exposed
from tests.support.models import EXAMPLES
from tests.support.pages import table
from tests.support.project import ROOT
from tests.support.serving import wait_until

FOLDER = ROOT / "deploy/monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES = DASHBOARD["templating"]["list"]

#: What Prometheus itself has, beside functions, which a bracket follows.
WORDS = {"by", "and", "or", "unless", "le"}


@pytest.fixture(scope="module")
def exposed(two_parcels: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Exposed:
    """What the service shows once each thing has happened."""
    store = copied(two_parcels, tmp_path_factory.mktemp("monitored"))
    old, new = try_version(store, "shadow")
    app = serve(store, "parcel", prediction_log="async", prediction_folder=store.root / "log")
    client, counted = app.test_client(), app.extensions["resources"].metrics
    client.post("/v0/predict", json={})
    client.post("/v0/predict", json=EXAMPLES["parcel"])
    none = dict.fromkeys(("differences", "failures", "dropped"), 0)
    counted.count_shadow("parcel", new, none, largest=0.5)
    counted.count_swap("parcel", 0.1)
    counted.count_death("SIGKILL")
    counted.count_fallback("predict")
    shifted = [Comparison("weight", "values", 0.5, 1e-9, is_shifted=True, psi=1.0)]
    app.extensions["resources"].reports.keep(Report("parcel", new, 500, "drift", "", shifted))
    store.change("rent", lambda known: known.promote("20200101T000000Z-00000"))  # type: ignore[union-attr]
    client.post("/v0/models/rent/predict", json=EXAMPLES["rent"])
    wait_until(lambda: "model_shadow_records_total{" in client.get("/metrics").text, "a comparison")
    app.extensions["resources"].models.get("parcel", old).predict_one = None
    assert 500 == client.post("/v0/predict", json=EXAMPLES["parcel"]).status_code
    return Exposed(client.get("/metrics").text)


def named(expression: str) -> set[str]:
    """Find the metrics that an expression asks for."""
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]|\b(?:by|on) \([^)]*\)|\{[^}]*\}', " ", expression)
    return {
        word for word in re.findall(r"\b[a-z][a-z_]+\b(?!\s*\()", plain) if word not in WORDS
    } - {"job"}


def expressions() -> list[str]:
    asked = [target["expr"] for panel in PANELS for target in panel["targets"]]
    asked += [one["query"]["query"] for one in VARIABLES if one["type"] == "query"]
    return asked + [rule["expr"] for rule in RULES]


def test_metrics_when_asked_for_are_there(exposed: Exposed) -> None:
    there = {sample.name for sample in exposed.samples} | set(exposed.families)
    asked = set.union(*map(named, expressions()))

    assert set() == asked - there
    assert {"http_requests_total", "model_predictions_total", "model_age_seconds"} <= asked
    assert {"nothing_here"} == named('sum by (job) (rate(nothing_here{a="b"}[5m])) > 1')


def test_labels_when_asked_for_are_there(exposed: Exposed) -> None:
    there = {label for sample in exposed.samples for label in sample.labels}
    asked = {
        label
        for one in expressions()
        for group in re.findall(r"\bby \(([^)]*)\)", one)
        for label in re.split(r",\s*", group)
    }
    asked |= set(re.findall(r"[{,]\s*(\w+)\s*[=!]", "\n".join(expressions())))

    assert set() == asked - there - {"job", "instance"}  # Prometheus adds these


def test_page_when_compared_lists_every_metric(exposed: Exposed) -> None:
    shown = table(ROOT / "docs/how-to/monitor.md", "The metrics")
    there = {
        f"{name}_total" if one.type == "counter" else name: one.type
        for name, one in exposed.families.items()
    }

    assert there == {name: cells[0] for name, cells in shown.items()}
    for name, cells in shown.items():
        labels = {
            label
            for sample in exposed.samples
            if sample.name.startswith(name)
            for label in sample.labels
        }
        assert labels - {"le"} == set(re.findall(r"`(\w+)`", cells[1])), name


def test_reasons_when_compared_are_those_of_the_page() -> None:
    from engine.api.statuses import REASONS

    page = (ROOT / "docs/how-to/monitor.md").read_text()
    listed = re.search(r"`reason` follows from the status: (.*?)\.\n", page, re.DOTALL)

    assert listed
    assert set(REASONS.values()) == set(re.findall(r"`(\w+)`", listed[1]))


def test_dashboard_when_loaded_is_one_that_grafana_takes() -> None:
    text = json.dumps(DASHBOARD)
    places = [panel["gridPos"] for panel in PANELS]

    assert DASHBOARD["schemaVersion"] >= 36 and DASHBOARD["title"] and DASHBOARD["uid"]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert "datasource" == VARIABLES[0]["type"] and "datasource" == VARIABLES[0]["name"]
    assert not re.search(r"https?://|\d+\.\d+\.\d+\.\d+", text)
    for panel in PANELS:
        assert panel["title"] and panel["type"] in ("timeseries", "stat")
        sources = [panel["datasource"], *(one["datasource"] for one in panel["targets"])]
        assert all("${datasource}" == one["uid"] for one in sources)
    cells = [
        (x, y)
        for one in places
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(set(cells)) == len(cells) and max(cells)[0] < 24  # none lies on another


def test_alerts_when_compared_are_those_of_the_page() -> None:
    shown = table(ROOT / "docs/how-to/monitor.md", "Dashboard and alerts")

    assert [rule["alert"] for rule in RULES] == [*shown]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_when_it_fires_says_what_and_what_to_do(rule: dict[str, Any]) -> None:
    assert {"summary", "description"} == set(rule["annotations"])
    assert rule["labels"]["severity"] in ("page", "warn")
    assert rule["for"]
    assert rule["annotations"]["description"].endswith(".")


@pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here: apt-get install prometheus"
)
def test_alerts_when_promtool_reads_them_are_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", FOLDER / "alerts.yml"], capture_output=True, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert b"SUCCESS" in done.stdout
