"""The table of other servers' clients: every script has pins, and a failure is not lost."""

import ast
import sys

import pytest

from benchmarks.clients.run_all import PINS, main, names, write_table
from benchmarks.clients.run_all import _read as read
from tests.support.project import ROOT

FOLDER = ROOT / "benchmarks/clients"

#: What the environments of the scripts hold, and the project itself.
INSTALLED = {
    "benchmarks", "httpx", "kserve", "mlflow", "mlserver", "numpy", "pandas", "skops",
    "tritonclient", "vetiver",
}  # fmt: skip


def test_client_when_it_has_a_script_has_pins_and_the_other_way_round() -> None:
    assert set(names()) == set(PINS)
    assert [] == [pin for pins in PINS.values() for pin in pins if "==" not in pin]


def test_output_when_a_library_prints_too_gives_the_lines() -> None:
    line = {"client": "a 1", "call": "b", "verdict": "pass"}

    found = list(read('hello\n3\n{"client": "a 1", "call": "b", "verdict": "pass"}\n{"x": 1}\n'))

    assert [line] == found
    assert "a 1     b     pass" in write_table(found)


def test_client_when_it_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nothing"])

    assert "there is no client 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("name", names())
def test_script_imports_modules_that_exist(name: str) -> None:
    siblings = {path.stem for path in FOLDER.glob("*.py")}
    tree = ast.parse((FOLDER / f"{name}_client.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    packages = {module.partition(".")[0] for module in modules if module}

    assert set() == packages - siblings - INSTALLED - sys.stdlib_module_names
