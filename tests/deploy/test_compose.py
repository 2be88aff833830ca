"""The compose file is valid, names what is there, and nginx's limits are the service's own."""

import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import check_jsonschema
import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner

from engine.worker.deadlines import HEAD_SECONDS, MOVE_SECONDS
from settings import Settings
from tests.support.project import ROOT

FOLDER = ROOT / "deploy/docker"
FILE = FOLDER / "compose.yaml"
TEXT = FILE.read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
NGINX = (FOLDER / "nginx/default.conf.template").read_text()
PAGE = (ROOT / "docs/how-to/compose.md").read_text()

#: What a variable is in the file when nobody sets it.
DEFAULTS = dict(re.findall(r"\$\{(\w+):?-([^}]*)\}", TEXT))


def filled(text: str, **chosen: str) -> str:
    """Fill in the variables of compose as it does."""
    values = {**DEFAULTS, **chosen}
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: values.get(match[1], "a-secret"), text)


def directive(name: str) -> str:
    """Return the value of an only directive of nginx."""
    (value,) = re.findall(rf"^\s+{name} (.+);$", NGINX, re.MULTILINE)
    return str(value)


def test_file_when_checked_is_valid() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]

    done = CliRunner().invoke(check_jsonschema.main, [*schema, str(FILE)])

    assert 0 == done.exit_code, done.output


@pytest.mark.parametrize("listen", ["plain", "tls"])
def test_volume_when_it_mounts_a_file_finds_it(listen: str) -> None:
    volumes = [one for service in SERVICES.values() for one in service.get("volumes", ())]
    texts = [one if isinstance(one, str) else one["source"] for one in volumes]
    sources = {filled(one, LISTEN=listen).split(":")[0] for one in texts}

    named = set(yaml.safe_load(TEXT)["volumes"])
    assert named == {one for one in sources if not one.startswith(".")}
    for source in sources - named:
        assert (FOLDER / source).exists(), source


def test_volume_when_its_variable_is_misspelt_makes_no_folder_in_the_project() -> None:
    (chosen,) = [
        one for one in SERVICES["nginx"]["volumes"] if isinstance(one, dict) or "LISTEN" in one
    ]

    assert chosen["bind"] == {"create_host_path": False}


def test_settings_when_given_are_those_of_the_service() -> None:
    names = {field.name for field in fields(Settings)}

    for service in ("web-1", "web-2", "worker", "canary", "train"):
        given = SERVICES[service]["environment"]
        assert {name.lower() for name in given} <= names
        values = {name: filled(value) for name, value in given.items()}
        key = {"API_KEY": "a-key-of-43-characters-as-token_urlsafe-makes"}
        read = Settings.from_environment({**values, **key})
        assert (read.port, read.jobs_in_web) == (8080, False)


def test_container_when_started_has_a_role_of_the_image() -> None:
    roles = (FOLDER / "start").read_text()

    assert SERVICES["worker"]["command"] == ["worker"] and "worker)" in roles
    role, *options = SERVICES["train"]["command"]
    assert f"{role})" in roles
    declared = (ROOT / "build_model.py").read_text()
    assert all(f'"{option}"' in declared for option in options)


def test_airflow_when_it_writes_finds_a_volume_of_its_user_and_only_this_machine_sees_it() -> None:
    airflow = SERVICES["airflow"]
    folders = {one.partition(":/app/")[2] for one in airflow["volumes"]}
    (made,) = re.findall(r"mkdir (\.airflow .+?) &&", (FOLDER / "Dockerfile").read_text())

    assert folders == {*made.split(), "artifacts", "predictions"}
    assert SERVICES["web-1"]["volumes"] == airflow["volumes"][:2]
    assert all(one.startswith("127.0.0.1:") for one in airflow["ports"])
    assert (ROOT / airflow["command"][0]).exists()


def test_deadlines_of_nginx_are_those_of_the_service() -> None:
    assert directive("client_header_timeout") == f"{HEAD_SECONDS}s"
    assert directive("client_body_timeout") == directive("send_timeout") == f"{MOVE_SECONDS}s"
    assert directive("keepalive_timeout") == directive_of_gunicorn("keepalive") + "s"
    # The service's own 504 comes first.
    assert int(directive("proxy_read_timeout").rstrip("s")) > Settings().max_answer_seconds


def directive_of_gunicorn(name: str) -> str:
    found = re.search(rf"^{name} = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_limit_of_bodies_is_one_for_nginx_and_the_service() -> None:
    given = {
        SERVICES[one]["environment"]["MAX_TABLE_BYTES"] for one in ("nginx", "web-1", "worker")
    }

    assert len(given) == 1
    assert directive("client_max_body_size") == "${MAX_TABLE_BYTES}"
    assert Settings().max_body_bytes < int(DEFAULTS["MAX_TABLE_BYTES"])


def test_template_when_rendered_gets_every_variable_from_the_file() -> None:
    variables = set(re.findall(r"\$\{([A-Z_]+)\}", NGINX))

    # The image's own script finds the resolvers when it is told to.
    given = set(SERVICES["nginx"]["environment"]) | {"NGINX_LOCAL_RESOLVERS"}
    assert variables <= given
    assert SERVICES["nginx"]["environment"]["NGINX_ENTRYPOINT_LOCAL_RESOLVERS"] == "1"


def values_of_nginx(**given: str) -> "subprocess.CompletedProcess[str]":
    """Run what checks the values before they are written into nginx's configuration."""
    (script,) = (FOLDER / "nginx").glob("*.envsh")
    mounted = [str(one).split(":")[0].rpartition("/")[2] for one in SERVICES["nginx"]["volumes"]]
    assert script.name in mounted
    return subprocess.run(
        ["/bin/sh", "-euc", f'. "{script}"; printenv CANARY_KEY NGINX_LOCAL_RESOLVERS'],
        env={"CANARY_KEY": "", "MAX_TABLE_BYTES": "1", "NGINX_LOCAL_RESOLVERS": "a b", **given},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_canary_when_no_key_is_set_is_asked_by_nobody() -> None:
    key = filled(SERVICES["nginx"]["environment"]["CANARY_KEY"])
    pattern, resolver = values_of_nginx(CANARY_KEY=key).stdout.split()

    (rule,) = re.findall(r'"~(.+)"  canary;', NGINX)
    assert "a" == resolver
    given = ["", "none", pattern, "${CANARY_KEY}"]
    assert not any(re.search(rule.replace("${CANARY_KEY}", pattern), one) for one in given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("CANARY_KEY", value)
            for value in ('a" canary; default "canary', "a|b", ".*", "a;", "é")
        ],
        *[("MAX_TABLE_BYTES", value) for value in ("", "100m", "1; deny all")],
    ],
)
def test_value_when_it_would_change_nginx_is_refused_by_name(name: str, value: str) -> None:
    done = values_of_nginx(**{name: value})

    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(name) and done.stderr.count("\n") == 1


def test_value_when_it_is_a_random_text_is_taken() -> None:
    assert "Az09-_\na\n" == values_of_nginx(CANARY_KEY="Az09-_").stdout


def test_program_of_others_when_it_has_a_password_has_that_of_the_user() -> None:
    assert "a-secret" == filled(SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"])


def test_redis_when_full_drops_answers_before_counts() -> None:
    command = SERVICES["redis"]["command"]
    policy = command[command.index("--maxmemory-policy") + 1]

    # The time that is left is shortest for counts, so volatile-ttl would drop these.
    assert "volatile-lru" == policy and "--maxmemory" in command
    page = (ROOT / "docs/how-to/replicas.md").read_text()
    assert f"`maxmemory-policy {policy}`" in page


def test_container_when_stopped_has_longer_than_the_service_takes() -> None:
    grace = int(SERVICES["web-1"]["stop_grace_period"].rstrip("s"))

    assert grace > int(directive_of_gunicorn("graceful_timeout"))


def test_names_that_are_looked_up_are_names_of_containers() -> None:
    prometheus = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text())
    (scraped,) = prometheus["scrape_configs"][0]["dns_sd_configs"]
    aliases = [SERVICES[one]["networks"]["default"]["aliases"] for one in ("web-1", "web-2")]

    assert aliases == [["web"], ["web"]] and scraped["names"] == ["web"]
    pools = re.findall(r"(web|canary);", NGINX.partition("}\n")[0])
    assert pools == ["web", "canary"] and "canary" in SERVICES
    roll = (FOLDER / "roll.sh").read_text()
    (rolled,) = re.findall(r"for container in (.+); do", roll)
    assert set(rolled.split()) <= set(SERVICES)


def test_page_when_it_names_a_variable_tells_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)`(?:, `(\w+)`)? \| (.+?) \|", PAGE, re.MULTILINE)

    for first, second, told in rows:
        values = [DEFAULTS[name] for name in (first, second) if name]
        expected = {"RATE_LIMIT": ["none"], "SHARED_REDIS": ["Redis"]}.get(first, values)
        assert told.replace("`", "").split(", ") == expected
    assert {row[0] for row in rows} >= {"PORT", "LISTEN", "MAX_TABLE_BYTES", "IMAGE"}


@pytest.mark.parametrize(
    ("failures", "code", "replaced"), [(1, 0, ["web-1", "web-2", "worker"]), (9, 1, ["web-1"])]
)
def test_roll_when_a_container_is_not_ready_does_not_touch_the_next(
    failures: int, code: int, replaced: list[str], tmp_path: Path
) -> None:
    programs = {
        "compose": 'echo "$@" >>calls; test "$1" != exec || '
        f"test $(grep -c exec calls) -gt {failures}",
        "date": "echo x >>seconds; echo $((25 * $(wc -l <seconds)))",  # each look takes 25 s
        "sleep": "",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    given = {**os.environ, "COMPOSE": "compose", "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    done = subprocess.run([FOLDER / "roll.sh"], env=given, capture_output=True, text=True)

    calls = (tmp_path / "calls").read_text().splitlines()
    assert (code, replaced) == (done.returncode, [c.split()[-1] for c in calls if c[:2] == "up"])
    assert calls[1].startswith("exec -T web-1"), calls
    assert ("stop web-1" in calls) == ("web-1 was not ready" in done.stderr) == bool(code)
