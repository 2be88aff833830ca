"""What could obey a stranger's bytes or words is called in a few known places only.

The static twin of `tests.attacks.test_audit`: it reads the code, so it also sees what
no request of the tests has reached. Each place has its reason here.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tests.test_layers import files, name, parse, room

#: Reads bytes as objects, and may call what they name.
UNPICKLES = (
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib.load",
    "jsonpickle", "torch.load", "numpy.load", "pandas.read_pickle", "skops.io.load",
    "skops.io.loads", "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load",
    "yaml.unsafe_load_all", "yaml.Loader", "yaml.UnsafeLoader", "pyarrow.deserialize",
    "mlflow.pyfunc.load_model", "mlflow.sklearn.load_model",
)  # fmt: skip

#: Runs text or a file as code.
RUNS = (
    "eval", "exec", "compile", "__import__", "builtins", "importlib.import_module", "runpy",
    "code", "codeop", "timeit", "importlib.util.spec_from_file_location", "ctypes.CDLL",
    "ctypes.PyDLL", "ctypes.cdll", "types.FunctionType", "types.CodeType", "string.Formatter",
    "string.Template",
    "jinja2.Environment", "jinja2.Template", "flask.render_template_string", "mako",
)  # fmt: skip

#: Has a shell, or a process, do something.
STARTS = (
    "os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.execvpe", "os.execl",
    "os.execle", "os.execlp", "os.spawnv", "os.spawnve", "os.spawnl", "os.spawnvp", "os.fork",
    "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "os.startfile", "pty", "subprocess.run",
    "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
    "subprocess.getoutput", "subprocess.getstatusoutput", "multiprocessing.Process",
    "multiprocessing.Pool", "multiprocessing.get_context",
    "concurrent.futures.ProcessPoolExecutor", "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell", "webbrowser",
)  # fmt: skip

#: Asks an address, or follows what a document says.
FETCHES = (
    "urllib.request", "http.client", "requests", "httpx", "urllib3", "aiohttp", "ftplib",
    "smtplib", "socket.create_connection", "xml", "lxml", "onnx.load", "onnx.load_model",
)  # fmt: skip

#: Writes files where an archive says.
UNPACKS = ("tarfile", "shutil.unpack_archive", "zipfile.ZipFile", "zipfile.PyZipFile")

#: What runs in the service; there, nothing above is called but as said below.
SERVING = {"app", "gunicorn.conf", "settings", "models", "persistence", "engine"}

#: Where it is, and why it may be.
KNOWN = {
    ("app.py", "os.execvp"): "python app.py becomes gunicorn",
    ("deploy/docker/list_imported.py", "importlib.import_module"): "names that stand there",
    ("engine/commands/service_metrics.py", "http.client.HTTPConnection"): "what an operator named",
    ("engine/commands/service_metrics.py", "http.client.HTTPException"): "what that may raise",
    ("engine/commands/service_metrics.py", "http.client.HTTPSConnection"): "the same",
    (
        "engine/commands/check_drift.py",
        "subprocess.run",
    ): "build_model.py, of a model that is stored",
    ("engine/monitoring/webhooks.py", "http.client.HTTPConnection"): "a setting's address",
    ("engine/monitoring/webhooks.py", "http.client.HTTPException"): "what that may raise",
    ("engine/monitoring/webhooks.py", "http.client.HTTPSConnection"): "a setting's address",
    ("engine/serving/prediction_log.py", "subprocess.Popen"): "the drain; words all ours",
    ("engine/records/arrow/reader.py", "subprocess.Popen"): "pyarrow's own process; words all ours",
    ("engine/runtime/exact_library.py", "ctypes.CDLL"): "our own library, compiled here",
    ("engine/runtime/exact_library.py", "ctypes.PyDLL"): "the same one",
    ("engine/runtime/loading.py", "importlib.import_module"): "a package from a list of ours",
    ("engine/runtime/memory.py", "ctypes.CDLL"): "malloc_trim of the C library that is loaded",
    ("engine/runtime/trusted_types.py", "importlib.import_module"): "the model's own file",
    ("engine/runtime/trusted_types.py", "skops.io.loads"): "types compared with a list before",
    ("engine/worker/malloc.py", "ctypes.CDLL"): "mallopt of the C library that is loaded",
    ("engine/worker/hooks.py", "subprocess.run"): "trains at start, where none is stored",
    ("models/__init__.py", "importlib.import_module"): "a model file, found among those there are",
    ("persistence/bucket/cache.py", "subprocess.run"): "asks a bucket for a process that forks",
    # beside the service
    ("engine/runtime/compile_exact.py", "subprocess.run"): "a compiler or pip, at set-up",
    ("engine/training/export/parity.py", "timeit"): "what holds the next",
    ("engine/training/export/parity.py", "timeit.repeat"): "times a function of our own, no text",
    (
        "engine/training/fitted/lock.py",
        "ctypes.CDLL",
    ): "calls of the kernel that shut a process",
    ("engine/training/fitted/unpack.py", "joblib.load"): "in a process that is shut, if trusted",
    ("engine/training/fitted/unpack.py", "skops.io.load"): "the same",
    ("engine/training/infer/candidates.py", "compile"): "a model file that was just drafted",
    ("engine/training/infer/candidates.py", "exec"): "the same",
    ("engine/pages/layout.py", "jinja2.Environment"): "our own template; its values are escaped",
    ("benchmarks/log_figures.py", "timeit"): "what holds the next",
    ("benchmarks/log_figures.py", "timeit.repeat"): "times a function of our own, no text",
    ("benchmarks/clients/mlflow_differential_client.py", "skops.io.load"): "this machine's store",
    ("benchmarks/contenders/credit.py", "joblib.load"): "what the benchmark itself has written",
    ("benchmarks/processes.py", "ctypes.CDLL"): "a call of the kernel that Python lacks",
    ("engine/training/table_report.py", "jinja2.Environment"): "the same",
    ("engine/training/report.py", "jinja2.Environment"): "our own template; its values are escaped",
}


def mentions(tree: ast.Module) -> Iterator[str]:
    """Give every name in use, in full as the imports have it."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                first = one.name if one.asname else one.name.partition(".")[0]
                names[one.asname or first] = first
        elif isinstance(node, ast.ImportFrom):
            names |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in names or (not dot and first in dir(builtins)):
                yield names.get(first, first) + dot + rest


def is_one_of(called: str, listed: tuple[str, ...]) -> bool:
    """Tell whether a name is listed, or lies within a listed module."""
    return any(called == one or called.startswith(f"{one}.") for one in listed)


def refused(path: Path) -> tuple[str, ...]:
    """Give what a file may not call."""
    everywhere = (*UNPICKLES, *RUNS)
    return (*everywhere, *STARTS, *FETCHES, *UNPACKS) if is_serving(path) else everywhere


def is_serving(path: Path) -> bool:
    """Tell whether a file runs in the service."""
    return room(path).partition("/")[0] in SERVING and room(path) != "engine/training"


def test_dangerous_calls_when_listed_are_those_known() -> None:
    found = {
        (name(path), called)
        for path in files()
        for called in mentions(parse(path))
        if is_one_of(called, refused(path))
    }

    assert set(KNOWN) == found


def faults(tree: ast.Module) -> list[str]:
    """List the lines that make a format, SQL or a shell's command of what is not written there."""
    texts, found = texts_of(tree), []
    for node in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        constants = texts.get(node.lineno, texts[0])
        if method in ("format", "format_map") and not is_constant(owner, constants):
            found.append(f"{node.lineno}: a format")
        if method.startswith("execute") and not all(
            is_constant(one, constants) for one in node.args[:1]
        ):
            found.append(f"{node.lineno}: SQL")
        if any(one.arg == "shell" and ast.unparse(one.value) != "False" for one in node.keywords):
            found.append(f"{node.lineno}: a shell")
    for part in ast.walk(tree):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod):
            fills = isinstance(part.left, ast.JoinedStr) or isinstance(part.right, FILLING)
            if fills and not is_constant(part.left, texts[0]):
                found.append(f"{part.lineno}: a format")
    return found


#: What stands to the right of a text's % and never of a number's.
FILLING = (ast.Tuple, ast.Dict)


#: Return a text that stands in the file, or its translation, which names the same values.
TRANSLATES = ("_", "gettext", "ngettext")


def texts_of(tree: ast.Module) -> dict[int, set[str]]:
    """Return the names that hold text of the file, by the line of a call that uses them.

    The last value that was given to a name in the same function counts. Under 0 are
    those of the whole file.
    """
    known: dict[str, bool] = {}
    for given_once in (node for node in tree.body if isinstance(node, ast.Assign)):
        for target in given_once.targets:
            known[ast.unparse(target)] = is_constant(given_once.value, set())
    texts = {0: {name for name in known if known[name]}}
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        arguments = [node.arg for node in ast.walk(scope) if isinstance(node, ast.arg)]
        given = known | dict.fromkeys(arguments, False)
        steps = [node for node in ast.walk(scope) if isinstance(node, ast.Assign | ast.Call)]
        for node in sorted(steps, key=lambda node: (node.lineno, isinstance(node, ast.Assign))):
            if isinstance(node, ast.Call):
                texts[node.lineno] = {name for name in given if given[name]}
                continue
            for target in node.targets:
                given[ast.unparse(target)] = is_constant(node.value, set())
    return texts


def is_constant(node: ast.expr, constants: set[str]) -> bool:
    """Tell whether an expression is text that stands in the file."""
    if isinstance(node, ast.Name):
        return node.id in constants
    if isinstance(node, ast.IfExp):
        return is_constant(node.body, constants) and is_constant(node.orelse, constants)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        texts = node.args[: 2 if node.func.id == "ngettext" else 1]
        return node.func.id in TRANSLATES and all(is_constant(text, constants) for text in texts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


#: Files that put words of ours into text that is obeyed: a head of `engine.api.response_head`, and
#: SQL, in which all that others write is a bound value.
OUR_WORDS = {
    "engine/api/fast_path/rejections.py": "a format",
    "engine/cards/facts.py": "a format",  # a sentence of a challenge, by its verdict
    "engine/cards/sentences.py": "a format",  # a score's own translation
    "engine/commands/retention.py": "a format",  # a translated word, assigned with another
    "persistence/prediction_queries.py": "SQL",
    "persistence/prediction_tables.py": "a format",
    "persistence/scored_rows.py": "SQL",  # of whoever runs the job, only read; tables by SQLAlchemy
    "persistence/table_rows.py": "SQL",  # a query of jobs/sources.toml, only read
    "persistence/transactions.py": "SQL",
}


def test_text_when_it_is_obeyed_is_written_where_it_is_used() -> None:
    found = {name(path): faults(parse(path)) for path in files() if is_serving(path)}
    for path, fault in OUR_WORDS.items():
        assert {fault} == {line.partition(": ")[2] for line in found.pop(path)}

    assert {} == {path: lines for path, lines in found.items() if lines}


def test_shells_when_counted_are_none() -> None:
    found = {name(path): [one for one in faults(parse(path)) if "shell" in one] for path in files()}

    assert {} == {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    ("code", "called"),
    [
        ("import pickle\npickle.loads(b)", "pickle.loads"),
        ("import pickle as p\np.Unpickler(b).load()", "pickle.Unpickler"),
        ("from pickle import loads as read\nread(b)", "pickle.loads"),
        ("def f():\n    from joblib import load\n    return load(b)", "joblib.load"),
        ("import numpy as np\nnp.load(b, allow_pickle=True)", "numpy.load"),
        ("import yaml\nyaml.load(b, yaml.Loader)", "yaml.load"),
        ("import os\nos.system(b)", "os.system"),
        ("import os.path\nos.popen(b)", "os.popen"),
        ("from subprocess import run\nrun(b)", "subprocess.run"),
        ("import urllib.request\nurllib.request.urlopen(b)", "urllib.request.urlopen"),
        ("import importlib\nimportlib.import_module(b)", "importlib.import_module"),
        ("import pickle\nread = map(pickle.loads, b)", "pickle.loads"),
        ("eval(b)", "eval"),
        ("__import__(b)", "__import__"),
    ],
)
def test_call_when_it_is_dangerous_is_found_by_its_full_name(code: str, called: str) -> None:
    found = mentions(ast.parse(code))

    assert called in [one for one in found if is_one_of(one, refused(ROOT / "engine/api/new.py"))]


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("asked.format(1)", "a format"),
        ("f'{asked} {{}}'.format(1)", "a format"),
        ("asked % (1,)", "a format"),
        ("f'{asked} %s' % 1", "a format"),
        ("database.execute(f'SELECT {asked}')", "SQL"),
        ("database.execute('SELECT ' + asked)", "SQL"),
        ("database.executescript(asked)", "SQL"),
        ("import subprocess\nsubprocess.run(asked, shell=True)", "a shell"),
        ("def f(text):\n    return text.format(1)", "a format"),
        ("def f():\n    text = _('{a}').format(a=asked)\n    return text.format(1)", "a format"),
        ("def f():\n    text = _('{a}')\n    return text.format(a=asked)", None),
        ("_(asked).format(1)", "a format"),
        ("'{}'.format(asked)", None),
        ("HEAD = '{}'\nHEAD.format(asked)", None),
        ("'%s' % (asked,)", None),
        ("number % 5", None),
        ("database.execute('SELECT ?', (asked,))", None),
    ],
)
def test_line_when_it_obeys_text_of_others_is_a_fault(code: str, fault: str | None) -> None:
    found = faults(ast.parse(code))

    assert ([] if fault is None else [fault]) == [one.partition(": ")[2] for one in found]
