"""Imports run one way, and the code keeps the shape that the style asks for."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.project import ROOT

#: Which rooms a room may import at all, wherever in its files.
MAY_IMPORT = {
    # run: they wire things, and nobody imports them
    "app": {"settings", "engine/api", "engine/commands", "engine/pages", "engine/serving",
            "engine/records", "engine/worker", "persistence"},
    "build_model": {"settings", "engine/training", "engine/schema", "models", "persistence"},
    "test_model": {"settings", "engine/runtime", "engine/schema", "models", "persistence"},
    "gunicorn.conf": {"settings", "engine/worker", "engine/serving", "engine/api",
                      "engine/records", "engine/runtime", "persistence"},
    # engine, from the top
    "engine": set(),
    "engine/commands": {"settings", "engine/serving", "engine/records", "engine/runtime",
                        "engine/cards", "engine/schema", "persistence"},
    "engine/pages": {"engine/api", "engine/serving", "engine/records", "engine/cards",
                     "persistence"},
    "engine/worker": set(),
    "engine/api": {"engine/serving", "engine/records", "engine/runtime", "engine/cards",
                   "engine/schema", "persistence"},
    "engine/serving": {"engine/records", "engine/runtime", "engine/cards", "engine/schema",
                       "persistence"},
    "engine/training": {"engine/runtime", "engine/cards", "engine/schema", "persistence"},
    "engine/records": {"engine/runtime", "engine/schema"},
    "engine/cards": {"engine/schema", "persistence"},
    "engine/runtime": {"engine/schema", "persistence"},
    "engine/schema": {"persistence"},
    "models": {"engine/schema", "persistence"},
    # the ground
    "persistence": set(),
    "settings": set(),
    # beside the project
    "data": set(),
    "bin": set(),
    "docs": {"settings", "engine/commands"},
    "deploy": set(),
    "benchmarks": {"settings", "engine/runtime", "engine/training", "engine/schema",
                   "engine/serving", "engine/records", "models", "persistence"},
}  # fmt: skip

#: Rooms and files that alone may import a library.
MAY_USE = {
    "click": {"engine/commands", "docs"},
    "flask": {"app", "engine/api", "engine/pages", "engine/commands", "benchmarks"},
    "werkzeug": {"app", "engine/api", "engine/pages"},
    "sqlite3": {"persistence"},
    "psycopg": {"persistence"},
    "gunicorn": {"gunicorn.conf", "engine/worker"},
    "obstore": {"persistence"},
    "prometheus_client": {"engine/api"},
    "opentelemetry": {"engine/api"},
    "pickle": set(),
    "cloudpickle": set(),
    "joblib": {"benchmarks"},
    "dill": set(),
    "marshal": set(),
    "shelve": set(),
}

#: Libraries that the service must not need: imported inside functions, if at all.
HEAVY = {"sklearn", "pandas", "scipy", "matplotlib", "skl2onnx", "onnx", "onnxruntime", "skops",
         "obstore"}  # fmt: skip
HEAVY_ROOMS = {"engine/training", "models", "benchmarks", "data"}

ELSEWHERE = {"tests", "artifacts", "node_modules", "venv"}
MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_FILE = 40, 300


def files() -> list[Path]:
    """List the project's own Python files, the tests left out."""
    own = [one for one in ROOT.iterdir() if one.name not in ELSEWHERE and one.name[0] != "."]
    return sorted(path for one in own for path in (one.rglob("*.py") if one.is_dir() else [one])
                  if path.suffix == ".py")  # fmt: skip


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """Name the room of a file: a folder of engine, else of the top."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[: 2 if parts[0] == "engine" else 1]).removesuffix(".py")


@cache
def modules() -> dict[str, Path]:
    """Map each module's name to its file."""
    named = {name(path).removesuffix(".py").replace("/", "."): path for path in files()}
    return {module.removesuffix(".__init__"): path for module, path in named.items()}


@cache
def imported_files(path: Path) -> frozenset[Path]:
    """Return the project's files that a file imports, wherever in it."""
    imported = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            imported |= {modules().get(one) or modules().get(str(node.module)) for one in whole}
        elif isinstance(node, ast.Import):
            imported |= {modules().get(alias.name) for alias in node.names}
    return frozenset(imported - {None, path})  # type: ignore[arg-type]


def imports(tree: ast.AST, *, is_at_start: bool = False) -> Iterator[str]:
    """Give the first name of every import, or of those that run with the file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (one.name.split(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "write imports in full"
            yield str(node.module).split(".")[0]
        elif not is_at_start or not is_for_later(node):
            yield from imports(node, is_at_start=is_at_start)


def is_for_later(node: ast.AST) -> bool:
    """Tell whether a part of a file does not run when it is imported."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


every_file = pytest.mark.parametrize("path", files(), ids=name)


def test_files_when_listed_are_those_of_the_project() -> None:
    listed = {name(path) for path in files()}

    assert {
        "app.py",
        "build_model.py",
        "gunicorn.conf.py",
        "settings.py",
        "test_model.py",
    } <= listed
    assert {"engine/api/predict.py", "models/credit.py", "persistence/folder.py"} <= listed
    assert not {one for one in listed if one.startswith("tests/")}


@every_file
def test_file_when_it_imports_imports_downwards(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)] | {room(path)}

    upwards = {name(other) for other in imported_files(path) if room(other) not in allowed}

    assert set() == upwards


def test_rooms_when_ordered_have_no_circle() -> None:
    inner = {one: allowed for one, allowed in MAY_IMPORT.items() if "/" in one}

    TopologicalSorter(inner).prepare()


def test_files_when_they_import_each_other_have_no_circle() -> None:
    TopologicalSorter({path: imported_files(path) for path in files()}).prepare()


@every_file
def test_file_when_it_uses_a_library_may_use_it(path: Path) -> None:
    refused = {library for library in MAY_USE if room(path) not in MAY_USE[library]}

    assert set() == set(imports(parse(path))) & refused


@every_file
def test_file_when_the_service_imports_it_needs_nothing_heavy(path: Path) -> None:
    if room(path) not in HEAVY_ROOMS:
        assert set() == set(imports(parse(path), is_at_start=True)) & HEAVY


@every_file
def test_file_when_it_is_the_machine_knows_no_single_model(path: Path) -> None:
    if room(path).partition("/")[0] in ("engine", "persistence", "app", "gunicorn.conf"):
        assert "models" not in set(imports(parse(path)))


@every_file
def test_file_when_counted_is_short_enough(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/**/*.py")), ids=name)
def test_test_file_when_counted_is_short_enough(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES_OF_A_FILE


@every_file
def test_function_when_counted_is_short_enough(path: Path) -> None:
    functions = [node for node in ast.walk(parse(path)) if isinstance(node, ast.FunctionDef)]

    tokens = [*tokenize.generate_tokens(io.StringIO(path.read_text()).readline)]
    lengths = {one.name: count_lines(tokens, one) for one in functions}

    assert {} == {one: n for one, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION}


def count_lines(tokens: list[tokenize.TokenInfo], function: ast.FunctionDef) -> int:
    """Count lines of code: no docstring, no comments, no blank lines."""
    first, last = function.lineno, function.end_lineno or 0
    counted = set()
    idle = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokens:
        if token.type not in idle and token.start[0] >= first and token.end[0] <= last:
            counted |= set(range(token.start[0], token.end[0] + 1))
    if ast.get_docstring(function, clean=False) is not None:
        text = function.body[0]
        counted -= set(range(text.lineno, (text.end_lineno or 0) + 1))
    return len(counted)


@every_file
def test_public_name_when_defined_has_a_docstring(path: Path) -> None:
    tree = parse(path)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    classes = classes_of(path)
    bases = {name: node for one in imported_files(path) for name, node in classes_of(one).items()}
    bases |= classes

    bare = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and is_public(node.name) and not ast.get_docstring(node)
    ]
    for owner in classes.values():
        inherited = {m.name for b in owner.bases for m in documented(bases.get(ast.unparse(b)))}
        bare += [
            f"{owner.name}.{method.name}"
            for method in owner.body
            if isinstance(method, kinds) and is_public(method.name)
            if not ast.get_docstring(method) and method.name not in inherited
        ]

    assert ast.get_docstring(tree), "the file says what it holds"
    assert [] == bare


def classes_of(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in parse(path).body if isinstance(node, ast.ClassDef)}


def documented(owner: ast.ClassDef | None) -> list[ast.FunctionDef]:
    """Give the methods of a class that have a docstring."""
    methods = [one for one in owner.body if isinstance(one, ast.FunctionDef)] if owner else []
    return [one for one in methods if ast.get_docstring(one)]


def is_public(word: str) -> bool:
    return not word.startswith("_")
