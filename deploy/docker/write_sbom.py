"""Writes a bill of materials, as CycloneDX 1.6, of what pip reports to have installed.

``python deploy/docker/write_sbom.py REPORT > sbom.json`` in an image build. Each hash is that of
the file that pip downloaded and checked against the lock. What the base image holds is not in it.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_VERSION = Path(__file__).resolve().parents[2] / "engine/VERSION"


def bill_of_materials(report: dict[str, Any], *, release: str) -> dict[str, Any]:
    """Return what was installed for a release, by name; the same report gives the same bill."""
    components = sorted(map(_component, report["install"]), key=lambda one: one["name"])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": "pronto", "name": "pronto", "version": release
            }
        },
        "components": components,
    }  # fmt: skip


def _component(installed: dict[str, Any]) -> dict[str, Any]:
    version = installed["metadata"]["version"]
    name = re.sub(r"[-_.]+", "-", installed["metadata"]["name"]).lower()
    address = f"pkg:pypi/{name}@{version}"
    archive = installed["download_info"]["archive_info"]
    # Before version 23.1, pip reported one digest, as sha256=…
    digests = archive.get("hashes") or dict([archive["hash"].split("=")])
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "hashes": [{"alg": "SHA-256", "content": digests["sha256"]}],
    }


if __name__ == "__main__":
    _release = _VERSION.read_text().partition("release ")[2].partition("\n")[0]
    _report = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(bill_of_materials(_report, release=_release), indent=1))
