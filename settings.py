"""Every setting: its name in the environment, default, unit and meaning.

Only the files that are run read this; everything below them is handed plain
values.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


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
        raise ValueError(
            "a folder, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix"
        )
    return text


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("true or false")
    return text.lower() in ("true", "1")


def _secret(text: str) -> str:
    if len(text) < 22 or len(set(text)) < 10:  # 128 bits, as letters and digits
        raise ValueError("at least 22 random characters")
    return text


def _signing_keys(text: str) -> str:
    for key in map(str.strip, text.split(",")):
        if key.startswith("ed25519"):
            if not re.fullmatch(r"ed25519-(private|public):[A-Za-z0-9+/]{43}=", key):
                raise ValueError("ed25519-private: or ed25519-public: and 32 bytes in base64")
        else:
            _secret(key)
    return text


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


#: What is said of a value that must not be shown.
_HIDDEN: dict[Any, str] = {_secret: "too weak", _signing_keys: "no key, or too weak"}


def _setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


#: The variables in which platforms name the port; the first that is there counts.
_PORTS = ("port", "aip_http_port", "sagemaker_bind_to_port")


@dataclass(frozen=True)
class Settings:
    """The settings, each from the environment variable of its name in capitals."""

    model_store: Path | str = _setting(
        Path("artifacts"), _store,
        "Where versions are kept: a folder, or as `s3://bucket/prefix`",
    )  # fmt: skip
    model_cache: Path = _setting(
        Path(".model-cache"), Path, "Folder that keeps what was read from a bucket"
    )
    signing_key: str = _setting(
        "",
        _signing_keys,
        "Keys that sign and verify versions, with commas between; the first signs",
    )
    default_model: str = _setting("credit", str, "The model that `/v0/predict` asks")
    versions_in_memory: int = _setting(
        20, _whole(2), "Versions in memory at most; those least recently asked leave"
    )
    trained_by: str = _setting(
        "", str, "Whom a new version's card names; empty: git's `user.name`, else the login's name"
    )
    source_version: str = _setting(
        "", str, "Heroku's name for the commit; stands in the card where there is no git"
    )
    train_if_absent: bool = _setting(
        True, _flag, "Whether the server trains the default model at start when none is stored"
    )
    max_body_bytes: int = _setting(5 * 2**20, _whole(1), "Largest JSON body, in bytes")
    max_table_bytes: int = _setting(
        2**30,
        _whole(1),
        "Largest table, and answer to one, in bytes",
    )
    host: str = _setting(
        "", str, "Address to listen on; empty: all when PORT is set, else 127.0.0.1"
    )
    port: int = _setting(8000, _whole(1), "Port to listen on")
    aip_http_port: int = _setting(
        0, _whole(1), "Vertex AI's name for the port; counts when `PORT` is absent"
    )
    sagemaker_bind_to_port: int = _setting(
        0, _whole(1), "SageMaker's name for the port; counts when the two others are absent"
    )
    aip_health_route: str = _setting("", _route, "Where Vertex AI asks whether to send requests")
    aip_predict_route: str = _setting("", _route, "Where Vertex AI sends instances")
    web_concurrency: int = _setting(2, _whole(1), "Worker processes")
    threads: int = _setting(4, _whole(1), "Threads per worker")
    fast_path: bool = _setting(
        True, _flag, "Whether plain requests to predict are answered on the worker's event loop"
    )
    log_format: str = _setting(
        "",
        _one_of("json", "text"),
        "`json`, one object a line, or `text`; empty: json when PORT is set, else text",
    )
    access_log: bool = _setting(False, _flag, "Whether each request gets a line in the log")
    otel_exporter_otlp_endpoint: str = _setting(
        "", str, "Where traces go, by OTLP over HTTP; empty: nowhere"
    )

    keys_file: Path = _setting(
        Path("keys.json"), Path, "File of the API keys that `flask keys` makes; need not exist"
    )
    api_key: str = _setting(
        "", _secret, "One more API key, good to predict and to read; at least 22 random characters"
    )
    open_access: bool = _setting(
        False, _flag, "Whether no key is ever asked for, as a gateway checks the callers"
    )

    rate_limit: str = _setting(
        "", str, "Requests in seconds that each API key may send, as 600/60; empty: no limit"
    )
    rate_limit_redis: str = _setting(
        "", str, "Redis that counts for several machines, as redis://host:6379/0; empty: this one"
    )

    cors_origins: str = _setting(
        "", str, "Origins whose pages may ask from a browser, each in full, with commas between"
    )
    max_wait_seconds: float = _setting(
        1.0, _seconds,
        "Seconds that a request may have to wait for a thread, else it gets 503; 0: any",
    )  # fmt: skip
    max_answer_seconds: float = _setting(
        25.0, _seconds,
        "Seconds until an answer must begin, else the request gets 504; 0: any",
    )  # fmt: skip

    @property
    def address(self) -> str:
        """Host and port, as they stand in an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings; an empty variable counts as absent.

        Raises
        ------
        InvalidSettings
            Naming every variable that cannot be read.
        """
        found: dict[str, Any] = {}
        problems = []
        for one in fields(cls):
            if not (text := environment.get(one.name.upper(), "")):
                continue
            try:
                found[one.name] = one.metadata["read"](text)
            except ValueError as error:
                shown = _HIDDEN.get(one.metadata["read"], repr(text))
                problems.append(f"{one.name.upper()} is {shown}: give {error}")
        if problems:
            raise InvalidSettings("; ".join(problems))
        if not found.get("log_format"):
            found["log_format"] = "json" if environment.get("PORT") else "text"
        named = [found[one] for one in _PORTS if one in found]
        found["port"] = named[0] if named else cls.port
        if not found.get("host"):
            found["host"] = "0.0.0.0" if named else "127.0.0.1"  # noqa: S104
        return cls(**found)
