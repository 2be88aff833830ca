"""The users of the stress test, for Locust: run by it, in an environment of its own.

What they ask and where they report stands in the file that STRESS_PLAN names.
"""

import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, constant_throughput, events, task
from locust.exception import StopUser

_PLAN = json.loads(Path(os.environ["STRESS_PLAN"]).read_text())
_QUESTIONS = _PLAN["questions"]
_KEY = {"x-api-key": _PLAN["key"]} if _PLAN["key"] else {}
_NUMBERS = itertools.count()
_OUTCOMES: list[tuple[float, float, str]] = []


class Client(FastHttpUser):
    """Asks at an even pace, over a connection of its own, and reads every answer."""

    network_timeout = connection_timeout = _PLAN["patience_seconds"]
    wait_time = constant_throughput(_PLAN["requests"] / _PLAN["seconds"] / _PLAN["users"])

    @task
    def predict(self) -> None:
        """Ask one question."""
        number = next(_NUMBERS)
        if number >= _PLAN["requests"]:
            raise StopUser
        question = _QUESTIONS[number % len(_QUESTIONS)]
        began = time.monotonic()
        with self.client.post(
            question["path"],
            data=question["body"],
            headers={"Content-Type": question["content_type"], **_KEY},
            catch_response=True,
        ) as answer:
            outcome = _judge(answer, question["expected"])
            if outcome == "correct":
                answer.success()
            else:
                answer.failure(outcome)
        ended = time.monotonic()
        _OUTCOMES.append((ended, ended - began, outcome))
        if len(_OUTCOMES) == _PLAN["requests"]:
            self.environment.runner.quit()


def _judge(answer: Any, expected: dict[str, Any]) -> str:
    if answer.status_code != 200:
        return f"status {answer.status_code}" if answer.status_code else str(answer.error)
    try:
        found = answer.json()
        is_right = {key: found.get(key) for key in expected} == expected
    except (ValueError, AttributeError):
        return "wrong"
    return "correct" if is_right else "wrong"


@events.quitting.add_listener
def report(**_: Any) -> None:
    """Write what came, for the process that started Locust."""
    written = {"outcomes": _OUTCOMES, "cpu_seconds": time.process_time()}
    Path(_PLAN["report"]).write_text(json.dumps(written))
