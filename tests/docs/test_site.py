"""The documentation as a site, and what stands around the code for those who come by."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.project import ROOT


@pytest.mark.slow
def test_site_builds_without_a_broken_link_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(tmp_path)]

    done = subprocess.run(mkdocs, cwd=ROOT, capture_output=True, text=True)

    assert 0 == done.returncode, done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").rglob("*.md"))) - 1
    loaded = re.compile(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//")
    assert [] == [page.name for page in pages if loaded.search(page.read_text())]


def test_every_alert_has_its_entry_in_the_runbook() -> None:
    rules = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    runbook = (ROOT / "docs/how-to/runbook.md").read_text()

    entries = re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]

    assert alerts == [entry.partition("\n")[0] for entry in entries]
    for entry in entries:
        assert ["Meaning", "Look at", "Do"] == re.findall(r"^- \*\*(.+)\*\*", entry, re.MULTILINE)


def test_index_for_programs_that_read_leads_to_pages_that_are_there() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "llms.txt").read_text())

    assert len(links) > 10
    assert [] == [link for link in links if not (ROOT / link).is_file()]


def test_development_container_has_the_python_of_the_platforms() -> None:
    version = (ROOT / ".python-version").read_text().strip()
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())

    file = ROOT / ".devcontainer" / container["build"]["dockerfile"]

    assert file.read_text().startswith(f"FROM python:{version}-slim\n")


def test_forms_of_reports_are_well_formed() -> None:
    for form in ("bug", "question"):
        fields = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{form}.yml").read_text())

        assert {"name", "description", "labels", "body"} == {*fields}
        names = [field["id"] for field in fields["body"]]
        assert len(names) == len({*names}) > 1
        assert all(field["attributes"]["label"] for field in fields["body"])


def test_glossary_explains_enough_words_once() -> None:
    text = (ROOT / "docs/reference/glossary.md").read_text()
    explained = text.partition("## In Portuguese")[0]
    words = re.findall(r"^\| ([^|`]+) \| ", explained, re.MULTILINE)

    words = [word for word in words if word not in ("Word", "Score")]

    assert len(words) == len({*words}) >= 25
    assert {"golden rows", "worked example", "native", "parity", "shadow", "spool"} <= {*words}
