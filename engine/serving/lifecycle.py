"""What a service does from its start to its end; gunicorn's hooks call it."""

import gc
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

from engine.records import arrow_support
from engine.runtime.memory import give_back
from engine.serving.clock import Clock
from engine.serving.hot_swap import Watch, watch
from engine.serving.metrics import Metrics
from engine.serving.model_cache import ModelCache
from engine.serving.prediction_log import PredictionLog
from persistence.callers import Callers
from persistence.idempotency_cache import IdempotencyCache
from persistence.redis_answers import RedisAnswers
from persistence.store_errors import ModelNotFound, StoreError


class Lifecycle:
    """The models, keys and counts of a service, in its master and in its workers.

    Parameters
    ----------
    stopping : Event
        Set when this process stops.
    run_jobs : callable, optional
        What does, called once a second, all that is due of the jobs.
    """

    def __init__(
        self, models: ModelCache, metrics: Metrics, stopping: Event, *,
        callers: Callers, answers: IdempotencyCache | RedisAnswers,
        log: PredictionLog | None = None, run_jobs: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._models = models
        self._metrics = metrics
        self._stopping = stopping
        self._watch: Watch | None = None
        self._callers = callers
        self._answers = answers
        self._log = log
        self._jobs = Clock([run_jobs], stopping) if run_jobs else None
        # The master starts the processes that read Arrow and Parquet, and store predictions.
        drains = [(log.start_drain, log.use_starter)] if log else []
        readers = (arrow_support.start_reader, arrow_support.use_starter)
        self.processes: Sequence[Any] = [readers, *drains]

    def is_guarded(self) -> bool:
        """Return whether a key is required, or the user has allowed access without one."""
        return self._callers.need_keys or self._callers.is_open

    def has_version(self) -> bool:
        """Return whether a version of the default model is promoted, or may be.

        Where that cannot be seen the answer is yes: the reason is logged when
        the version is loaded.
        """
        self._models.store.ask_apart(True)
        with suppress(StoreError):
            try:
                self._models.store.pointer(self._models.default)
            except ModelNotFound:
                return False
        return True

    def load(self, log: Any) -> None:
        """Load the default model in the master, so that the workers share its memory.

        It predicts nothing there: a library that has started threads of its own
        would not survive the fork.
        """
        self._answers.remove_left()
        self._models.store.ask_apart(True)
        try:
            self._models.reload()
        except StoreError as error:
            log.error("not ready: %s", error)
        gc.collect()
        gc.freeze()  # a collection in a worker would copy what is shared
        give_back()

    def before_fork(self) -> None:
        """Look at the keys: no worker may be alive that does."""
        self._callers.look()

    def hand_on(self, environment: MutableMapping[str, str]) -> None:
        """Let the service that takes over, in an environment, know what is known of the keys."""
        self._callers.hand_on(environment)

    def after_fork(self, slot: int | None) -> None:
        """Ask the store from this process, which does not fork, and count in a slot."""
        self._models.store.ask_apart(False)
        if slot is not None:
            self._metrics.begin(slot)

    def begin(self) -> None:
        """Serve the promoted version from the first request on, and watch for the next one."""
        self._watch = watch(self._models, self._metrics, self._stopping)
        follow_keys(self._callers, self._stopping)
        looks = [self._log.look] if self._log else []
        Clock((self._callers.look, self._answers.sweep, *looks), self._stopping).start()
        if self._jobs:
            self._jobs.start()

    def end(self) -> bool:
        """Let the watching thread end; return whether no version is being loaded any more."""
        if self._watch:
            self._stopping.set()
            self._watch.join(5)
            if self._jobs:
                self._jobs.join(5)  # it gives its job back
        return self._models.loads.are_done

    def finish(self) -> None:
        """Have what waits for the log stored, and remove what does not outlive the service."""
        if self._log:
            self._log.finish()
        self._answers.remove()


def follow_keys(callers: Callers, stopping: Event) -> None:
    """Have the keys of a bucket before the first request, and follow them from then on."""
    if callers.pull:
        callers.pull()
        callers.look()
        Clock((callers.pull,), stopping).start()  # others do not wait while a bucket is away
