"""What a contender is: what it installs, how it is started and how it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.ways import Way

#: Pins that several contenders share: the versions with which the model is trained.
NUMPY = ("numpy==2.4.6",)
ONNX = (*NUMPY, "onnxruntime==1.31.1")
SKLEARN = (*NUMPY, "pandas==3.1.1", "scikit-learn==1.9.1", "joblib==1.6.0")

#: Where the code of the contenders is.
CODE = "benchmarks.contenders"


@dataclass(frozen=True)
class Contender:
    """A server that is measured.

    Attributes
    ----------
    environment : str
        Contenders that name the same one share it.
    requirements : tuple of str
        What pip installs: pins, or ``-r FILE``.
    command : tuple of str
        Words with ``{bin}`` (the environment's programs), ``{files}`` (the
        model's folder) and ``{port}``; ``{port2}`` and ``{port3}`` are free too.
    one : Way
        For one record.
    many : tuple of Way
        For many records; the fastest counts.
    prepare : tuple of str
        A command that is run before its first start in a comparison.
    is_at_root : bool
        Whether it is started in the project's folder; otherwise in one of its own.
    """

    name: str
    title: str
    environment: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    one: Way
    many: tuple[Way, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    is_at_root: bool = False
