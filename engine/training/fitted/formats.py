"""What a file of a fitted model is, by its content alone; nothing in it is obeyed."""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from engine.training.failures import TrainingFailed
from engine.training.fitted.lock import MEMORY

_KNOWN = (
    "give a model of scikit-learn (joblib, pickle, skops), an MLflow model folder, XGBoost's JSON "
    "or UBJ, or LightGBM's text"
)
_OWN_API = (
    "only models of scikit-learn, XGBoost and LightGBM are served here: fit one of those, or serve "
    "it with its own server"
)

#: How a pickle begins, and what joblib compresses one with: zlib, gzip, bzip2, xz, lzma, lz4.
_PICKLES = (b"\x80", b"\x78", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18")

#: The longest description of a pipeline by skops, in bytes; some GB of memory are made of it.
_LONGEST_SCHEMA = 1 << 27

_PACKAGES = "scikit-learn|xgboost(?:-cpu)?|lightgbm"


class NotBrought(TrainingFailed):
    """A fitted model cannot become a version; the message says why, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Return what a file says without signs that steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


class ModelFile(NamedTuple):
    """A file, its format ("pickle", "skops", "xgboost", "lightgbm"), and what fitted it."""

    path: Path
    format: str
    libraries: dict[str, str]


def recognise(path: Path) -> ModelFile:
    """Find out what a file or an MLflow folder holds; raise `NotBrought` where it is unknown."""
    try:
        return _of_mlflow(path) if path.is_dir() else _of_file(path)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise NotBrought(f"{str(path)[:500]} cannot be read, {error}: save it again") from error


def check_size(archive: zipfile.ZipFile, path: Path) -> None:
    """Raise `NotBrought` if an archive, read whole, may not fit into memory."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    if sum(sizes.values()) > MEMORY or sizes.get("schema.json", 0) > _LONGEST_SCHEMA:
        raise NotBrought(f"{path} is too large when it is unpacked: fit a smaller model")


def _of_file(path: Path) -> ModelFile:
    if not path.is_file():
        raise NotBrought(f"there is no file {path}: give the path of a model file")
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise NotBrought(f"{path} is empty: save the model again")
    if zipfile.is_zipfile(path):
        return ModelFile(path, _format_of_zip(path), {})
    if start.startswith(b"\x89HDF"):
        raise NotBrought(f"{path} is a Keras model: {_OWN_API}")
    if start.startswith(b"{") and b"learner" in start:
        return ModelFile(path, "xgboost", {})
    if start.startswith((b"tree\n", b"tree\r\n")):
        return ModelFile(path, "lightgbm", {})
    is_old_pickle = path.suffix in (".pkl", ".pickle", ".joblib")  # of protocol 0 or 1
    if start.startswith(_PICKLES) or is_old_pickle:
        return ModelFile(path, "pickle", {})
    raise NotBrought(f"{path} is not a model that is known here: {_KNOWN}")


def _format_of_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        check_size(archive, path)
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    if "schema.json" in names:
        return "skops"
    kind = "Keras" if "model.weights.h5" in names else "PyTorch" if "data.pkl" in names else ""
    if kind:
        raise NotBrought(f"{path} is a {kind} model: {_OWN_API}")
    raise NotBrought(f"{path} is an archive that is no model: {_KNOWN}")


def _of_mlflow(folder: Path) -> ModelFile:
    """Find the model file of a folder that MLflow wrote; its other files are not used."""
    description = folder / "MLmodel"
    if not description.is_file():
        raise NotBrought(f"{folder} is a folder without the file MLmodel: {_KNOWN}")
    text = description.read_text("utf-8", errors="replace")
    for flavor, key in (("sklearn", "pickled_model"), ("xgboost", "data"), ("lightgbm", "data")):
        section = re.search(rf"^  {flavor}:\n((?:    .*\n?)+)", text, re.MULTILINE)
        entry = section and re.search(rf"^    {key}: *(\S+)", section[1], re.MULTILINE)
        if entry:
            break
    else:
        raise NotBrought(f"{folder} has no model of scikit-learn, XGBoost or LightGBM: {_OWN_API}")
    path = (folder / entry[1].strip("\"'")).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise NotBrought(f"{description} names {entry[1]}, outside of its folder: correct it")
    requirements = folder / "requirements.txt"
    lines = requirements.read_text("utf-8", errors="replace") if requirements.is_file() else ""
    libraries = dict(re.findall(rf"^({_PACKAGES})==([\w.]+)", lines, re.MULTILINE))
    return _of_file(path)._replace(libraries=libraries)
