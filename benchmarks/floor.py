"""What a prediction costs without HTTP: the in-process floor.

    python -m benchmarks.floor service SECONDS
    python -m benchmarks.floor session SECONDS

Each runs in a process of its own, in an environment that has what it asks: this service,
or onnxruntime. It prints one line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.questions import FILES, MODEL, STORE, Questions, is_right, read
from benchmarks.ways import OURS_MANY, OURS_ONE, Way, columns


class Cost(NamedTuple):
    """What one call costs.

    Attributes
    ----------
    seconds : float
        By the clock.
    cpu_seconds : float
        Of this process, all threads.
    """

    seconds: float
    cpu_seconds: float


def answerer(store: Path = STORE, model: str = MODEL) -> Callable[[Way, bytes], bytes]:
    """Give this service's prediction: a body, sent in some way, to the answer's body.

    This is the one place of the benchmark that knows what it is called. As in
    the service, a plain record takes the short way.
    """
    from engine.records.media_types import JSON
    from engine.serving.model_cache import ModelCache
    from engine.serving.observers import Observers
    from engine.serving.prediction import Predictor
    from engine.serving.request import PredictRequest
    from persistence.model_persistence import ModelStore

    models = ModelCache(ModelStore(store), model)
    models.get()
    predictor = Predictor(models, Observers())

    def ask(way: Way, body: bytes) -> bytes:
        request = PredictRequest(body, way.content_type, "", None)
        (quick,) = predictor.answer_at_once([request if way is OURS_ONE else None])
        if quick:
            return quick[1]
        content = predictor.answer(predictor.choose(request), way.accept or JSON)
        return content if isinstance(content, bytes) else content.whole()

    return ask


def measure_service(questions: Questions, seconds: float) -> dict[str, Any]:
    """Measure this service's prediction, one row and many."""
    ask = answerer()
    many = {}
    for way in OURS_MANY:
        body = _checked(ask, way, questions)
        cost = _cost(partial(ask, way, body), seconds / len(OURS_MANY))
        many[way.title] = _rate(cost, questions)
    body = _checked(ask, OURS_ONE, questions)
    one = _cost(partial(ask, OURS_ONE, body), seconds)
    return {"one": one._asdict(), "many": max(many.values())}


def measure_session(questions: Questions, seconds: float) -> dict[str, Any]:
    """Measure a bare session of the plain export, one row and many."""
    import os

    os.environ["BENCHMARK_FILES"] = str(FILES)
    from benchmarks.contenders.credit import feed_columns, feed_one, load_session

    session = load_session()
    feeds = feed_one(questions.record)
    one = _cost(lambda: session.run(["probabilities"], feeds), seconds)
    feeds = feed_columns(columns(questions.records))
    many = _cost(lambda: session.run(["probabilities"], feeds), seconds)
    return {"one": one._asdict(), "many": _rate(many, questions)}


def _checked(ask: Callable[[Way, bytes], bytes], way: Way, questions: Questions) -> bytes:
    is_one = way is OURS_ONE
    body = way.write([questions.record] if is_one else questions.records)
    expected = [questions.probability] if is_one else questions.probabilities
    if not is_right(way.probabilities(ask(way, body)), expected):
        sys.exit(f"floor: {way.title} is answered wrongly")
    return body


def _rate(cost: Cost, questions: Questions) -> float:
    return len(questions.records) / cost.seconds


def _cost(call: Callable[[], Any], seconds: float) -> Cost:
    """Time a call: the median of batches, after as many calls that do not count."""
    call()
    began = time.perf_counter()
    call()
    batch = max(1, int(seconds / 20 / max(time.perf_counter() - began, 1e-6)))
    costs = []
    for _ in range(20):
        clock, cpu = time.perf_counter(), time.process_time()
        for _ in range(batch):
            call()
        costs.append(
            Cost((time.perf_counter() - clock) / batch, (time.process_time() - cpu) / batch)
        )
    return sorted(costs)[len(costs) // 2]


if __name__ == "__main__":
    measures = {"service": measure_service, "session": measure_session}
    print(json.dumps(measures[sys.argv[1]](read(), float(sys.argv[2]))))
