"""What files are taken for: by their content, whatever they are called."""

import io
import zipfile
from pathlib import Path

import joblib
import pytest

from engine.training.fitted.formats import NotBrought, recognise


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return content.getvalue()


#: Says of itself that it holds 4 GB.
HUGE = archive("schema.json").replace(b"\2\0\0\0\x0b\0", b"\xfe\xff\xff\xff\x0b\0")


def pickled(**arguments: int) -> bytes:
    content = io.BytesIO()
    joblib.dump([1.5] * 100, content, **arguments)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (pickled(), "pickle"),
        (pickled(compress=3), "pickle"),
        (archive("schema.json", "0.npy"), "skops"),
        (b'{"learner":{"attributes":{}}}', "xgboost"),
        (b"{L" + bytes(7) + b"\x07learner{", "xgboost"),
        (b"tree\nversion=v4\nnum_class=1\n", "lightgbm"),
    ],
)
def test_file_when_its_content_is_known_has_a_format(
    tmp_path: Path, content: bytes, form: str
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(content)

    assert (file, form, {}) == recognise(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: save the model again"),
        (b"\x89HDF\r\n\x1a\n" + bytes(60), "is a Keras model: only models of scikit-learn"),
        (archive("config.json", "model.weights.h5"), "is a Keras model"),
        (archive("model/data.pkl", "model/version"), "is a PyTorch model"),
        (archive("a.npy"), "is an archive that is no model: give a model of scikit-learn"),
        (b'{"name": "a table"}', "is not a model that is known here: give a model of"),
        (HUGE, "is too large when it is unpacked: fit a smaller model"),
        (
            archive("a").replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\xff"),
            "cannot be read, zip file v",
        ),
        (b"binf\x00\x00", "is not a model that is known here"),
    ],
)
def test_file_when_nothing_here_serves_it_is_refused_with_what_is(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(content)

    with pytest.raises(NotBrought, match=says):
        recognise(file)


MLMODEL = """artifact_path: model
flavors:
  python_function:
    data: other.pkl
    loader_module: mlflow.sklearn
  {flavor}
mlflow_version: 3.1.0
"""


def mlflow(folder: Path, flavor: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(MLMODEL.format(flavor=flavor.replace("\n", "\n    ")))
    return folder


def test_folder_of_mlflow_when_opened_leads_to_its_file_and_its_versions(tmp_path: Path) -> None:
    for flavor, name in (
        ("sklearn:\ncode: null\npickled_model: model.pkl", "model.pkl"),
        ("xgboost:\ndata: model.xgb\nmodel_format: xgb", "model.xgb"),
        ("lightgbm:\ndata: model.lgb", "model.lgb"),
    ):
        folder = mlflow(tmp_path / "model", flavor)
        (folder / name).write_bytes(pickled())
        (folder / "requirements.txt").write_bytes(b"\xff\nscikit-learn==1.5.2\n")

        libraries = {"scikit-learn": "1.5.2"}
        assert (folder / name, "pickle", libraries) == recognise(folder)


@pytest.mark.parametrize(
    ("flavor", "says"),
    [
        ("sklearn:\npickled_model: ../secret.pkl", "names ../secret.pkl, outside of its folder"),
        ("sklearn:\npickled_model: /etc/passwd", "names /etc/passwd, outside of its folder"),
        ("sklearn:\npickled_model: lost.pkl", "there is no file"),
        ("sklearn:\npickled_model: .", "there is no file"),
        ("sklearn:\npickled_model: a\0b", "cannot be read, .*embedded null"),
        ("pytorch:\nmodel_data: data", "has no model of scikit-learn, XGBoost or LightGBM"),
    ],
)
def test_folder_of_mlflow_when_it_leads_nowhere_is_refused(
    tmp_path: Path, flavor: str, says: str
) -> None:
    (tmp_path / "secret.pkl").write_bytes(pickled())

    with pytest.raises(NotBrought, match=says):
        recognise(mlflow(tmp_path / "model", flavor))


def test_folder_when_mlflow_did_not_write_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotBrought, match="is a folder without the file MLmodel"):
        recognise(tmp_path)
