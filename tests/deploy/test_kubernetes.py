"""The manifests are valid, closed, and say of the service what is so."""

import re
from dataclasses import fields
from secrets import token_urlsafe
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from settings import Settings
from tests.deploy.manifests import FOLDER, containers, pods, rendered
from tests.support.project import ROOT

OVERLAYS = ("development", "production")

#: What the script in the image takes as its first word.
ROLES = {"serve", "train", "worker"}


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return rendered(FOLDER / request.param)


@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_manifests_when_rendered_are_valid(objects: list[dict[str, Any]], version: str) -> None:
    for one in objects:
        kubernetes_validate.validate(one, version, strict=True)


def test_validation_when_a_key_is_misspelt_fails(objects: list[dict[str, Any]]) -> None:
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    deployment["spec"]["replica"] = 2

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.34", strict=True)


def test_pods_when_restricted_hold_the_restricted_standard(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert "memory" in container["resources"]["limits"]


def test_containers_when_started_have_a_role_of_the_image(objects: list[dict[str, Any]]) -> None:
    script = (ROOT / "deploy/docker/start").read_text()

    assert {one["args"][0] for one in containers(objects)} == ROLES
    assert all(f"{role})" in script for role in ROLES)


def test_settings_when_given_are_those_of_the_service(objects: list[dict[str, Any]]) -> None:
    settings = {field.name for field in fields(Settings)}
    given = next(one["data"] for one in objects if one["kind"] == "ConfigMap")

    assert {name.lower() for name in given} <= settings
    assert Settings.from_environment({**given, "API_KEY": token_urlsafe(32)}).port == 8080


def test_grace_when_a_pod_ends_is_longer_than_the_service_takes(
    objects: list[dict[str, Any]],
) -> None:
    web = next(one for one in objects if one["metadata"]["name"] == "pronto"
               and one["kind"] == "Deployment")["spec"]["template"]["spec"]  # fmt: skip
    pause = int(web["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])

    # gunicorn.conf.py gives requests 20 s.
    assert web["terminationGracePeriodSeconds"] >= pause + 20 + 5


def test_deployment_when_it_is_scaled_keeps_its_number_at_an_apply(
    objects: list[dict[str, Any]],
) -> None:
    (scaler,) = [one["spec"] for one in objects if one["kind"] == "HorizontalPodAutoscaler"]
    target = ("Deployment", scaler["scaleTargetRef"]["name"])
    (scaled,) = [one["spec"] for one in objects if (one["kind"], one["metadata"]["name"]) == target]

    assert "replicas" not in scaled
    assert scaler["minReplicas"] < scaler["maxReplicas"]


def test_secret_when_the_page_makes_it_has_what_several_pods_share() -> None:
    page = (ROOT / "docs/how-to/containers.md").read_text()
    made = set(re.findall(r"--from-literal=([A-Z_]+)=", page))

    assert made == {"API_KEY", "MODEL_STORE", "JOB_STORE", "DATABASE_URL"}


def test_selectors_when_objects_name_pods_match_them(objects: list[dict[str, Any]]) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(objects)]
    policy = next(one for one in objects if one["kind"] == "NetworkPolicy")["spec"]
    closed = policy["podSelector"]["matchExpressions"][0]

    for one in objects:
        selector = one.get("spec", {}).get("selector")
        if one["kind"] in {"Service", "Deployment", "PodDisruptionBudget"}:
            assert selector.get("matchLabels", selector) in labels
    assert {label["app"] for label in labels} == set(closed["values"])
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_serving_runtime_when_kserve_starts_it_uses_the_image() -> None:
    runtime = yaml.safe_load((FOLDER / "serving-runtime.yaml").read_text())
    container = runtime["spec"]["containers"][0]
    given = {one["name"]: one["value"] for one in container["env"]}

    assert container["args"] == ["serve"]
    assert container["securityContext"] == {  # the restricted standard, as KServe makes the pod
        "runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert runtime["spec"]["protocolVersions"] == ["v1", "v2"]
    assert Settings.from_environment(given).open_access
