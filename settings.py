"""Every setting: its name in the environment, default, unit and meaning.

Only the files that are run read this module. They pass plain values to
everything below them.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.env_file import add_env_file
from engine.setting_values import (
    message_secret,
    old_names,
    secret,
    signing_keys,
    web_address,
    webhook_addresses,
)


def print_any_word() -> None:
    """Let standard output escape what its encoding does not have, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class InvalidSettings(ValueError):
    """Some settings cannot be read; the message names each and its remedy."""


def _whole(minimum: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text) if text.isdecimal() else minimum - 1
        if value < minimum:
            raise ValueError(f"a whole number of at least {minimum}")
        return value

    return read


def _route(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~:-]+)+", text):
        raise ValueError('a path such as "/model/predict", without an ending slash')
    return text


def _store(text: str) -> Path | str:
    scheme, is_address, rest = text.partition("://")
    if not is_address:
        return Path(text)
    if scheme not in ("s3", "gs", "az") or not rest.strip("/"):
        raise ValueError("a folder, or s3://bucket/path, gs://bucket/path, az://container/path")
    if not find_spec("obstore"):
        needs = "pip install -r requirements-serve-bucket.txt"
        raise ValueError(f"a folder, or install obstore: {needs}")
    return text


def _keys(text: str) -> Path | str:
    if "://" in text and not re.fullmatch(r"\w+://[^/]+/(.*[^/])", text):
        raise ValueError("a file, or s3://bucket/keys.json")
    return _store(text)


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("true or false")
    return text.lower() in ("true", "1")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 3600:
        raise ValueError("seconds, from 0 to 3600")
    return value


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return read


def _database(text: str) -> str:
    if not re.match(r"(postgres(ql)?(\+psycopg)?|sqlite)://", text):
        raise ValueError("postgresql://user:password@host/database, or sqlite:///file.sqlite3")
    return text


#: Descriptions of values that must not be shown.
_HIDDEN: dict[Any, str] = {
    secret: "too weak", signing_keys: "no key, or too weak",
    message_secret: "not in this form", webhook_addresses: "not in this form",
    _database: "not an address of PostgreSQL or SQLite",
}  # fmt: skip


def _setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


#: The variables in which platforms name the port; the first one that is set counts.
_PORTS = ("port", "aip_http_port", "sagemaker_bind_to_port")


@dataclass(frozen=True)
class Settings:
    """The settings, each from the environment variable of its name in capitals."""

    model_store: Path | str = _setting(
        Path("artifacts"), _store, "Where versions are stored: a folder, or `s3://bucket/prefix`"
    )
    model_cache: Path = _setting(
        Path(".model-cache"), Path, "Folder for copies of the versions in a bucket"
    )
    lake: Path | str = _setting(
        Path("lake"), _store, "Where ingested records are stored: a folder, or `s3://bucket/prefix`"
    )
    signing_key: str = _setting(
        "",
        signing_keys,
        "Keys that sign and verify versions, separated by commas; the first one signs",
    )
    default_model: str = _setting("credit", str, "The model of `/v0/predict`; unset: the only one")
    versions_in_memory: int = _setting(
        20, _whole(2), "Most versions in memory; the least recently used ones are dropped"
    )
    trained_by: str = _setting(
        "", str, "Who trains, for new cards; empty: git's `user.name`, else the login name"
    )
    source_version: str = _setting(
        "", str, "The commit, as Heroku names it; written into the card where there is no git"
    )
    train_if_absent: bool = _setting(
        True, _flag, "Train the default model at start if no version is stored"
    )
    max_body_bytes: int = _setting(5 * 2**20, _whole(1), "Largest JSON body, in bytes")
    max_table_bytes: int = _setting(2**30, _whole(1), "Largest table, and answer to one, in bytes")
    host: str = _setting(
        "", str, "Address to listen on; empty: all when PORT is set, else 127.0.0.1"
    )
    port: int = _setting(8000, _whole(1), "Port to listen on")
    aip_http_port: int = _setting(
        0, _whole(1), "The port, as Vertex AI names it; used if `PORT` is absent"
    )
    sagemaker_bind_to_port: int = _setting(
        0, _whole(1), "The port, as SageMaker names it; used if the two others are absent"
    )
    aip_storage_uri: Path | str = _setting(
        "", _store, "The store, as Vertex AI names it; used if `MODEL_STORE` is absent"
    )
    aip_health_route: str = _setting("", _route, "Route of Vertex AI's health checks")
    aip_predict_route: str = _setting("", _route, "Route of Vertex AI's predictions")
    web_concurrency: int = _setting(2, _whole(1), "Worker processes")
    threads: int = _setting(4, _whole(1), "Threads per worker")
    fast_path: bool = _setting(True, _flag, "Answer plain predictions on the worker's event loop")
    log_format: str = _setting(
        "",
        _one_of("json", "text"),
        "`json` (one object per line) or `text`; empty: json if PORT is set, else text",
    )
    access_log: bool = _setting(False, _flag, "Write one log line per request")
    otel_exporter_otlp_endpoint: str = _setting(
        "", str, "Where to send traces, by OTLP over HTTP; empty: nowhere"
    )

    keys_file: Path | str = _setting(
        Path("keys.json"), _keys, "API keys that `flask keys` makes: a file, or `s3://bucket/file`"
    )
    api_key: str = _setting(
        "", secret, "One more API key, which may predict and read; at least 22 random characters"
    )
    open_access: bool = _setting(
        False, _flag, "Never require a key, because a gateway authenticates callers"
    )
    forwarded_prefix: bool = _setting(
        False, _flag, "Believe `X-Forwarded-Prefix`, the path under which a proxy publishes this"
    )  # fmt: skip
    rate_limit: str = _setting(
        "", str, "Requests per seconds for each API key, such as 600/60; empty: no limit"
    )
    shared_redis: str = _setting(
        "", str, "Redis that counts for several machines and keeps answers: redis://host:6379/0"
    )
    cors_origins: str = _setting(
        "", str, "Origins whose pages may call from a browser, separated by commas"
    )
    max_wait_seconds: float = _setting(
        1.0, _seconds, "Longest wait for a thread, in seconds, before 503; 0 = no limit"
    )
    max_answer_seconds: float = _setting(
        25.0, _seconds, "Seconds until an answer must begin, before 504; 0 = no limit"
    )

    prediction_log: str = _setting(
        "",
        _one_of("async", "sync", "off"),
        "`async`, `sync` (stored before the answer), `off`; empty: async with SQLAlchemy",
    )
    prediction_folder: Path = _setting(
        Path("predictions"), Path, "Where predictions wait to be stored"
    )
    prediction_spool_bytes: int = _setting(2**30, _whole(2**16), "Most bytes that wait")
    prediction_log_full: str = _setting(
        "answer",
        _one_of("answer", "refuse"),
        "If no more can wait: `answer` without logging, or `refuse` with 503",
    )
    database_url: str = _setting(
        "", _database, "Database of the log; empty: `log.sqlite3` in `PREDICTION_FOLDER`"
    )
    drift_webhook: str = _setting("", web_address, "Address for reports of drift")
    drift_webhook_secret: str = _setting("", secret, "Secret that signs these reports")
    prediction_days: int = _setting(
        0, _whole(0), "Days until a logged prediction is deleted; 0 = never"
    )

    job_store: Path | str = _setting(
        "", _store, "Bodies and answers of jobs: a folder or bucket; empty: in `PREDICTION_FOLDER`"
    )
    job_days: int = _setting(7, _whole(1), "Days until a job and its answer are deleted")
    max_jobs: int = _setting(100, _whole(1), "Most unfinished jobs; a key may have a quarter")
    jobs_in_web: bool = _setting(True, _flag, "Answer jobs in the web processes, too")
    webhooks: str = _setting(
        "", webhook_addresses, "Who may be told of jobs: `name=address`, separated by commas"
    )
    webhook_secret: str = _setting(
        "", message_secret, "Secret that signs what they are told, `whsec_…`"
    )

    @property
    def address(self) -> str:
        """Host and port, as in an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings; an empty variable counts as absent.

        Parameters
        ----------
        environment : Mapping of str to str, optional
            By default that of the process, after what `.env` adds to it.

        Raises
        ------
        InvalidSettings
            Naming every line of `.env` and every variable that cannot be read.
        """
        problems: list[str] = []
        if environment is None:
            environment = os.environ
            names = [setting.name.upper() for setting in fields(cls)]
            problems += add_env_file(ENV_FILE, os.environ, names)
        values: dict[str, Any] = {}
        problems += old_names(environment)
        for setting in fields(cls):
            variable = setting.name.upper()
            if not (text := environment.get(variable, "")):
                continue
            try:
                values[setting.name] = setting.metadata["read"](text)
            except ValueError as error:
                shown = _HIDDEN.get(setting.metadata["read"], repr(text))
                problems.append(f"{variable} is {shown}: give {error}")
        if problems:
            raise InvalidSettings("; ".join(problems))
        models = {path.stem for path in Path(__file__).parent.glob("models/[a-z]*.py")} - {"schema"}
        if len(models) == 1:
            values.setdefault("default_model", *models)
        if not values.get("log_format"):
            values["log_format"] = "json" if environment.get("PORT") else "text"
        if "aip_storage_uri" in values:
            values.setdefault("model_store", values["aip_storage_uri"])
        ports = [values[name] for name in _PORTS if name in values]
        values["port"] = ports[0] if ports else cls.port
        if not values.get("host"):
            values["host"] = "0.0.0.0" if ports else "127.0.0.1"  # noqa: S104
        return cls(**values)


#: Settings for this machine alone. `.env.example` shows every one.
ENV_FILE = Path(__file__).with_name(".env")
