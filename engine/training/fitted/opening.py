"""Open a fitted model: in a process of its own, of which only data is believed."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

import sklearn
from sklearn.model_selection import FixedThresholdClassifier
from skops.io import get_untrusted_types

from engine.runtime.trusted_types import load_pipeline, untrusted
from engine.training.fitted.formats import ModelFile, NotBrought, check_size, printable, recognise
from engine.training.fitted.lock import SECONDS
from engine.training.served_pipeline import ServedPipeline, Threshold

#: Where the process finds this package; it works in an empty folder.
_ROOT = Path(__file__).parents[3]

#: The longest answer, in bytes.
_LONGEST = 1 << 30


class Opened(NamedTuple):
    """What serves of a fitted model, and what a card says of its file."""

    kept: ServedPipeline
    entry: dict[str, Any]


def open_fitted(
    path: Path, name: str, *, trust: str, say: Callable[[str], None], seconds: int = SECONDS
) -> Opened:
    """Open a fitted model that is to be served under a name.

    A pickle is only opened with the trust "yes", and "unguarded" where its process cannot be shut.
    Raise `NotBrought` where it is not, or where the file holds no model that can be served.
    """
    file = recognise(path)
    if reason := _danger(file, name):
        if not trust:
            raise NotBrought(
                f"{file.path} {reason}: open it only if you trust where it is from. To go on, add "
                "trust=yes to make import, or --trust to build_model.py"
            )
        may = "do whatever you may" if trust == "unguarded" else "use no network and change no file"
        say(f"{file.path.name} {reason}; it may {may}")
    head, content = _ask(file, name, seconds, needs_walls=bool(reason and trust != "unguarded"))
    if "refusal" in head:
        raise NotBrought(f"{file.path} {head['refusal']}")
    pipeline = load_pipeline(content, model=name)
    threshold, fitted = None, pipeline
    if head["threshold"]:
        threshold = Threshold(**head["threshold"])
        fitted = FixedThresholdClassifier(
            pipeline, threshold=threshold.value, pos_label=threshold.positive
        )
    libraries = {**file.libraries, **head["libraries"]}
    fitted_with = libraries.get("scikit-learn", sklearn.__version__)
    if fitted_with != sklearn.__version__:
        say(f"fitted with scikit-learn {fitted_with}, here is {sklearn.__version__}: its answers "
            "may differ; to be sure, fit it again with this version")  # fmt: skip
    digest = hashlib.sha256(file.path.read_bytes()).hexdigest()
    entry = {
        "file": file.path.name, "format": file.format, "sha256": digest, "libraries": libraries,
    }  # fmt: skip
    return Opened(ServedPipeline(pipeline, head["chosen"], threshold, fitted), entry)


def _danger(file: ModelFile, name: str) -> str:
    """Return what opening a file would do that needs trust; empty if it only reads data."""
    if file.format == "pickle":
        return "is a pickle, and opening a pickle runs the code that its author put into it"
    if file.format != "skops":
        return ""
    try:
        foreign = untrusted(get_untrusted_types(file=file.path), model=name)
    except Exception as error:
        raise NotBrought(f"{file.path} is not a skops file: {error}") from error
    return (
        f"holds {', '.join(map(printable, foreign))}, whose code runs when it is opened"
        if foreign
        else ""
    )


def _ask(
    file: ModelFile, name: str, seconds: int, *, needs_walls: bool
) -> tuple[dict[str, Any], bytes]:
    """Let a process open a file; return what it says of it, and the pipeline as skops writes it."""
    command = [sys.executable, "-m", "engine.training.fitted.unpack",
               str(file.path.resolve()), file.format, name, str(seconds),
               "needs walls" * needs_walls]  # fmt: skip
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    environment = {"PATH": os.defpath, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1",
                   "JOBLIB_MULTIPROCESSING": "0", **threads}  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,  # fmt: skip
    ):
        assert process.stdout is not None
        timer = Timer(2 * seconds, _end, [process])
        timer.start()
        answer = process.stdout.read(_LONGEST)
        is_late = not timer.is_alive()
        timer.cancel()
        _end(process)
    try:
        return _parts(answer, file.path)
    except (ValueError, AttributeError, RuntimeError, zipfile.BadZipFile) as error:
        is_ended = is_late or process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
        what = f"takes longer than {seconds} s to be opened: fit a smaller model"
        what = what if is_ended else "ends the process that opens it: save it again"
        raise NotBrought(f"{file.path} {what}") from error


def _parts(answer: bytes, path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the parts of an answer, which may be a stranger's; raise an error if none."""
    line, _, content = answer.partition(b"\n")
    head = json.loads(line)
    if head.keys() >= {"chosen", "threshold", "libraries"}:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            check_size(archive, path)
    elif not isinstance(head.get("refusal"), str):
        raise ValueError("the answer has no reason")
    return head, content


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
