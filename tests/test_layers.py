"""Imports run one way, and the code keeps the shape that the style asks for."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: Which rooms a room may import at all, wherever in its files.
MAY_IMPORT = {
    # run: they wire things, and nobody imports them
    "app": {"settings", "api", "commands", "monitoring", "persistence"},
    "build_model": {"settings", "training", "models", "persistence"},
    "test_model": {"settings", "persistence"},
    "gunicorn.conf": {"settings", "server", "api", "persistence"},
    "commands": {"commands", "settings", "api", "persistence", "models"},
    "jobs": {"settings", "jobs", "monitoring", "training", "models", "persistence"},
    # do: they never import each other
    "server": {"server"},
    "api": {"api", "persistence", "models"},
    "monitoring": {"monitoring", "persistence", "models"},
    "training": {"training", "persistence", "models"},
    # keep
    "persistence": {"persistence", "models"},
    # mean
    "models": {"models"},
    "settings": set(),
    # beside the project
    "data": set(),
    "bin": set(),
    "docs": {"commands", "settings"},
    "deploy": {"deploy", "persistence"},
    "benchmarks": {"benchmarks", "settings", "api", "training", "models", "persistence"},
    "clients": {"clients", "benchmarks", "settings"},
}

#: Rooms and files that alone may import a library.
MAY_USE = {
    "click": {"commands", "docs"},
    "flask": {"app", "api", "commands", "monitoring", "benchmarks"},
    "werkzeug": {"app", "api", "monitoring"},
    "sqlalchemy": set(),
    "sqlite3": {"persistence"},
    "psycopg": {"persistence"},
    "gunicorn": {"gunicorn.conf", "server"},
    "obstore": {"persistence"},
    "prometheus_client": {"api"},
    "opentelemetry": {"api"},
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
LIGHT = {"api", "commands", "server", "persistence", "app", "settings", "gunicorn.conf"}
LIGHT_FILES = {
    "models/__init__.py",
    "models/schema.py",
    "models/fields.py",
    "models/codes.py",
    "models/decoder.py",
}

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
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


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
    assert {"api/predict.py", "models/schema.py", "training/train.py"} <= listed
    assert not {one for one in listed if one.startswith("tests/")}


@every_file
def test_file_when_it_imports_imports_downwards(path: Path) -> None:
    allowed = MAY_IMPORT[room(path)]

    used = set(imports(parse(path))) & set(MAY_IMPORT)

    assert set() == used - allowed


@every_file
def test_file_when_it_uses_a_library_may_use_it(path: Path) -> None:
    refused = {library for library in MAY_USE if room(path) not in MAY_USE[library]}

    assert set() == set(imports(parse(path))) & refused


@every_file
def test_file_when_the_service_imports_it_needs_nothing_heavy(path: Path) -> None:
    if room(path) in LIGHT or name(path) in LIGHT_FILES:
        assert set() == set(imports(parse(path), is_at_start=True)) & HEAVY


@every_file
def test_file_when_the_service_imports_it_knows_no_single_model(path: Path) -> None:
    words = {"models", "models.schema", "models.fields", "models.codes", "models.decoder",
             "models.wording"}  # fmt: skip
    if room(path) not in LIGHT:
        return

    used = {
        one.module
        for one in ast.walk(parse(path))
        if isinstance(one, ast.ImportFrom) and str(one.module).split(".")[0] == "models"
    }

    assert set() == used - words
    assert "find" not in path.read_text().partition("from models import ")[2].partition("\n")[0]


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
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    bare = [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and is_public(node.name) and not ast.get_docstring(node)
    ]
    for owner in classes.values():
        inherited = {m.name for b in owner.bases for m in documented(classes.get(ast.unparse(b)))}
        bare += [
            f"{owner.name}.{method.name}"
            for method in owner.body
            if isinstance(method, kinds) and is_public(method.name)
            if not ast.get_docstring(method) and method.name not in inherited
        ]

    assert ast.get_docstring(tree), "the file says what it holds"
    assert [] == bare


def documented(owner: ast.ClassDef | None) -> list[ast.FunctionDef]:
    """Give the methods of a class that have a docstring."""
    methods = [one for one in owner.body if isinstance(one, ast.FunctionDef)] if owner else []
    return [one for one in methods if ast.get_docstring(one)]


def is_public(word: str) -> bool:
    return not word.startswith("_")
