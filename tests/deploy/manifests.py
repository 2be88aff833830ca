"""Reads what Kustomize would apply: the parts of it that the manifests use, and no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import yaml  # type: ignore[import-untyped]

from tests.support.project import ROOT

FOLDER = ROOT / "deploy/kubernetes"
_KEYS = {"apiVersion", "kind", "labels", "namespace", "resources", "images", "patches"}


def rendered(folder: Path) -> list[dict[str, Any]]:
    """Return the objects of a folder, changed as its kustomization says."""
    asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert not asked.keys() - _KEYS, "nothing here reads this"
    objects = [found for name in asked["resources"] for found in _read(folder / name)]
    for patch in asked.get("patches", ()):
        matching = [one for one in objects if _matches(one, patch["target"])]
        assert len(matching) == 1, f"{patch['target']} is not there, or twice"
        jsonpatch.apply_patch(matching[0], yaml.safe_load(patch["patch"]), in_place=True)
    for image in asked.get("images", ()):
        using = [one for one in containers(objects) if one["image"].split(":")[0] == image["name"]]
        assert using, f"no container uses {image['name']}"
        for container in using:
            name = image.get("newName", image["name"])
            container["image"] = f"{name}:{image['newTag']}"
    for one in objects:
        if "namespace" in asked:
            one["metadata"]["namespace"] = asked["namespace"]
    return objects


def containers(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the containers of all pods."""
    for pod in pods(objects):
        yield from pod["spec"]["containers"]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the templates of all pods."""
    for one in objects:
        spec = one.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield spec["template"]


def _read(path: Path) -> list[dict[str, Any]]:
    return rendered(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))


def _matches(one: dict[str, Any], target: dict[str, str]) -> bool:
    return (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
