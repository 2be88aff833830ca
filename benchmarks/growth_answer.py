"""What predictions cost without HTTP, measured in a process of its own.

The process is this module run by itself: it reads what to ask from its standard
input, and prints one line of JSON.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.environments import ROOT

#: (model, body, content type) -> status and body.
Ask = Callable[[str, bytes, str], tuple[int, bytes]]

#: A figure is the least of so many batches, each of so many seconds or one call.
_BATCHES, _BATCH_SECONDS, _MOST_SECONDS = 5, 0.2, 5.0


class Bodies(NamedTuple):
    """Bodies of one kind, sent in turn, and the status that they are to get."""

    texts: list[str]
    content_type: str = "application/json"
    status: int = 200


class Cost(NamedTuple):
    """What a process measured.

    Attributes
    ----------
    seconds : list of float or None
        CPU time of one answer, for each kind of bodies; None where the
        status was another.
    memory_mb : float
        The resident memory once every model is loaded and was asked.
    """

    seconds: list[float | None]
    memory_mb: float


def measure(store: Path, models: Sequence[str], kinds: Sequence[Bodies]) -> Cost:
    """Measure in a fresh process; models are asked in turn."""
    asked = {"store": str(store), "models": models, "kinds": kinds}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth_answer"],
        cwd=ROOT, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return Cost(**json.loads(done.stdout))


def answerer(store: Path) -> Ask:
    """Give this service's prediction; the one place here that knows what it is called."""
    from engine.records.media_types import JSON
    from engine.records.problems import InvalidRecords
    from engine.serving.model_cache import ModelCache
    from engine.serving.observers import Observers
    from engine.serving.prediction import Predictor
    from engine.serving.request import PredictRequest
    from persistence.model_persistence import ModelStore

    models = ModelCache(ModelStore(store), "", most=1000)
    predictor = Predictor(models, Observers())

    def ask(model: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        models.get(model)
        request = PredictRequest(body, content_type, "", model)
        (quick,) = predictor.answer_at_once([request])
        if quick:
            return 200, quick[1]
        try:
            content = predictor.answer(predictor.choose(request), JSON)
        except InvalidRecords:
            return 422, b""
        return 200, content if isinstance(content, bytes) else content.whole()

    return ask


def _main() -> None:
    asked = json.load(sys.stdin)
    ask = answerer(Path(asked["store"]))
    seconds = []
    for texts, content_type, expected in asked["kinds"]:
        bodies = [text.encode() for text in texts]
        found = {ask(model, bodies[0], content_type)[0] for model in asked["models"]}
        found |= {ask(asked["models"][0], body, content_type)[0] for body in bodies}
        models, sent = cycle(asked["models"]), cycle(bodies)
        call = partial(_ask_next, ask, models, sent, content_type)
        seconds.append(_least(call) if found == {expected} else None)
    print(json.dumps(Cost(seconds, _memory_mb())._asdict()))


def _ask_next(ask: Ask, models: Iterator[str], bodies: Iterator[bytes], content_type: str) -> None:
    ask(next(models), next(bodies), content_type)


def _least(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    found = [time.process_time() - began]
    calls = max(1, int(_BATCH_SECONDS / max(found[0], 1e-6)))
    while len(found) <= _BATCHES and time.process_time() - began < _MOST_SECONDS:
        since = time.process_time()
        for _ in range(calls):
            call()
        found.append((time.process_time() - since) / calls)
    return min(found)


def _memory_mb() -> float:
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else float("nan")


if __name__ == "__main__":
    _main()
