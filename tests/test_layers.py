"""Imports run one way, and the code keeps the shape that the style asks for."""

import ast
import io
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from tests.support.project import ROOT, SAMPLE, is_users, list_files, why_no_sample

#: Which rooms a room may import at all, wherever in its files.
MAY_IMPORT = {
    # run: they wire things, and nobody imports them
    "app": {"settings", "engine/monitoring", "engine/api", "engine/commands", "engine/pages",
            "engine/serving", "engine/records", "engine/worker", "persistence"},
    "build_model": {"settings", "engine/training", "engine/schema", "models", "persistence"},
    "test_model": {"settings", "engine/training", "engine/runtime", "engine/schema", "models",
                   "persistence"},
    "jobs": {"settings", "engine", "engine/training", "engine/serving", "engine/records",
             "engine/runtime", "engine/cards", "engine/schema", "models", "persistence"},
    "gunicorn.conf": {"settings", "engine/worker", "engine/serving", "engine/api",
                      "engine/records", "engine/runtime", "persistence"},
    # engine, from the top
    "engine": set(),
    "engine/commands": {"settings", "engine/monitoring", "engine/scoring", "engine/api",
                        "engine/serving", "engine/records", "engine/runtime", "engine/cards",
                        "engine/schema", "persistence"},
    "engine/pages": {"engine/api", "engine/monitoring", "engine/serving", "engine/records",
                     "engine/runtime", "engine/cards", "engine/schema", "persistence"},
    "engine/worker": set(),
    "engine/api": {"engine/monitoring", "engine/serving", "engine/records", "engine/runtime",
                   "engine/cards", "engine/schema", "persistence"},
    "engine/serving": {"engine/records", "engine/runtime", "engine/cards", "engine/schema",
                       "persistence"},
    "engine/training": {"engine/scoring", "engine/runtime", "engine/cards",
                        "engine/preprocessing", "engine/schema", "persistence"},
    "engine/monitoring": {"engine/scoring", "engine/runtime", "engine/cards", "engine/schema",
                          "persistence"},
    "engine/scoring": {"engine/runtime", "engine/schema"},
    "engine/records": {"engine/runtime", "engine/schema"},
    "engine/cards": {"engine/schema", "persistence"},
    "engine/runtime": {"engine/schema", "persistence"},
    "engine/preprocessing": {"engine/schema"},
    "engine/schema": {"persistence"},
    "engine/languages": set(),
    "models": {"engine/preprocessing", "engine/schema", "persistence"},
    # the ground
    "persistence": set(),
    "settings": {"engine"},
    "noxfile": set(),
    # beside the project
    "data": set(),
    "bin": {"settings", "models", "engine/commands"},
    "docs": {"settings", "engine/commands"},
    "deploy": {"app", "engine/api", "engine/serving", "persistence"},
    "benchmarks": {"app", "settings", "engine/runtime", "engine/training", "engine/schema",
                   "engine/serving", "engine/records", "engine/worker", "engine/monitoring",
                   "models", "persistence"},
}  # fmt: skip

#: Rooms and files that alone may import a library.
MAY_USE = {
    "click": {"engine/commands", "docs"},
    "flask": {"app", "engine/api", "engine/pages", "engine/commands", "benchmarks"},
    "werkzeug": {"app", "engine/api", "engine/pages"},
    "sqlite3": {"persistence"},
    "psycopg": {"persistence"},
    "sqlalchemy": {"persistence"},
    "gunicorn": {"gunicorn.conf", "engine/worker"},
    "obstore": {"persistence"},
    "duckdb": {"jobs"},
    "boto3": {"deploy", "jobs"},
    "requests": {"jobs"},
    "prometheus_client": {"engine/api", "engine/commands"},
    "opentelemetry": {"engine/api"},
    "pickle": set(),
    "cloudpickle": set(),
    "joblib": {"benchmarks", "engine/training"},  # for the number of threads
    "dill": set(),
    "marshal": set(),
    "shelve": set(),
}

#: Libraries that the service must not need: imported inside functions, if at all.
HEAVY = {"sklearn", "pandas", "scipy", "matplotlib", "skl2onnx", "onnx", "onnxruntime", "skops",
         "obstore", "sqlalchemy", "psycopg"}  # fmt: skip
HEAVY_ROOMS = {"engine/training", "engine/scoring", "engine/preprocessing", "models", "jobs",
               "benchmarks", "data"}  # fmt: skip

#: Rooms that work with any model file, and with none.
MACHINE = {"engine", "persistence", "app", "gunicorn.conf"}

MOST_LINES_OF_A_FUNCTION, MOST_LINES_OF_A_FILE = 40, 300


@cache
def files() -> tuple[Path, ...]:
    """List the project's own Python files, without tests, notebooks and the user's models."""
    return tuple(
        ROOT / file
        for file in sorted(list_files())
        if file.endswith(".py") and not file.startswith(("tests/", "docs/notebooks/"))
        if not is_users(file) or (file in SAMPLE and not why_no_sample())
    )


def broken(rule: Callable[[Path], Any], *, among: Iterable[Path] | None = None) -> dict[str, Any]:
    """Map each file that breaks a rule to what breaks it there."""
    faults = {name(path): rule(path) for path in among or files()}
    return {file: fault for file, fault in faults.items() if fault}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room(path: Path) -> str:
    """Name the room of a file: a folder of engine, else of the top."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "engine" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0].removesuffix(".py")


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


def test_files_when_listed_are_those_of_the_project() -> None:
    listed = {name(path) for path in files()}

    expected = {"app.py", "build_model.py", "gunicorn.conf.py", "settings.py", "test_model.py"}
    assert expected <= listed
    assert {"engine/api/predict.py", "models/__init__.py", "persistence/folder.py"} <= listed
    assert not {file for file in listed if file.startswith("tests/")}


def test_file_when_it_imports_imports_downwards() -> None:
    def upwards(path: Path) -> set[str]:
        # A room that is not listed is the user's own: it may import all, and be imported.
        allowed = MAY_IMPORT.get(room(path), {*MAY_IMPORT}) | {room(path)}
        allowed |= set() if room(path) in ("persistence", "settings") else {"engine/languages"}
        others = {other for other in imported_files(path) if room(other) in MAY_IMPORT}
        return {name(other) for other in others if room(other) not in allowed}

    assert {} == broken(upwards)


def test_rooms_when_ordered_have_no_circle() -> None:
    TopologicalSorter({room: to for room, to in MAY_IMPORT.items() if "/" in room}).prepare()


def test_files_when_they_import_each_other_have_no_circle() -> None:
    TopologicalSorter({path: imported_files(path) for path in files()}).prepare()


def test_file_when_it_uses_a_library_may_use_it() -> None:
    def refused(path: Path) -> set[str]:
        others = {library for library in MAY_USE if room(path) not in MAY_USE[library]}
        return set(imports(parse(path))) & others

    assert {} == broken(refused)


def test_file_when_the_service_imports_it_needs_nothing_heavy() -> None:
    def heavy(path: Path) -> set[str]:
        is_free = room(path) in HEAVY_ROOMS
        return set() if is_free else set(imports(parse(path), is_at_start=True)) & HEAVY

    assert {} == broken(heavy)


def test_file_when_it_is_the_machine_knows_no_single_model() -> None:
    def models(path: Path) -> set[str]:
        is_machine = room(path).partition("/")[0] in MACHINE
        return {"models"} & set(imports(parse(path))) if is_machine else set()

    assert {} == broken(models)


def test_file_when_counted_is_short_enough() -> None:
    def length(path: Path) -> int:
        lines = len(path.read_text().splitlines())
        return lines if lines > MOST_LINES_OF_A_FILE else 0

    assert {} == broken(length, among=[*files(), *sorted(ROOT.glob("tests/**/*.py"))])


def test_function_when_counted_is_short_enough() -> None:
    def long_functions(path: Path) -> dict[str, int]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        functions = [node for node in ast.walk(parse(path)) if isinstance(node, kinds)]
        tokens = [*tokenize.generate_tokens(io.StringIO(path.read_text()).readline)]
        lengths = {f"{f.name}:{f.lineno}": count_lines(tokens, f) for f in functions}
        return {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION}

    assert {} == broken(long_functions)


def count_lines(
    tokens: list[tokenize.TokenInfo], function: ast.FunctionDef | ast.AsyncFunctionDef
) -> int:
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


def test_public_name_when_defined_has_a_docstring() -> None:
    assert {} == broken(bare_names)


def bare_names(path: Path) -> list[str]:
    """List the public names of a file that have no docstring, the file's own too."""
    tree = parse(path)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    classes = classes_of(path)
    bases = {name: node for one in imported_files(path) for name, node in classes_of(one).items()}
    bases |= classes

    bare = [] if ast.get_docstring(tree) else ["the file itself"]
    bare += [
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
    return bare


def classes_of(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in parse(path).body if isinstance(node, ast.ClassDef)}


def documented(owner: ast.ClassDef | None) -> list[ast.FunctionDef]:
    """Give the methods of a class that have a docstring."""
    methods = [one for one in owner.body if isinstance(one, ast.FunctionDef)] if owner else []
    return [one for one in methods if ast.get_docstring(one)]


def is_public(word: str) -> bool:
    return not word.startswith("_")
