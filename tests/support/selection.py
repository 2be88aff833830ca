"""In which order the tests run, and whether a skip is allowed; a plugin of pytest."""

from collections.abc import Generator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="count every skip as a failure")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files with slow tests go first, so that no worker is alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def fail_if_skipped(report: Any, config: pytest.Config) -> Any:
    """Let a report of a skip fail, where no skip is allowed but those marked `may_skip`."""
    is_allowed = hasattr(report, "wasxfail") or "may_skip" in getattr(report, "keywords", ())
    if report.skipped and config.option.no_skips and not is_allowed:
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    return fail_if_skipped((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    return fail_if_skipped((yield), collector.config)
