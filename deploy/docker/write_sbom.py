"""Writes a bill of materials, as CycloneDX 1.6, of what pip reports to have installed.

``python deploy/docker/write_sbom.py REPORT... > sbom.json`` in an image build. Each hash is that of
the file that pip downloaded and checked against the lock. What the base image holds is not in it.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_VERSION = Path(__file__).resolve().parents[2] / "engine/VERSION"


def bill_of_materials(installed: Iterable[dict[str, Any]], *, release: str) -> dict[str, Any]:
    """Return what was installed for a release, by name; the same gives the same bill."""
    by_address = {one["purl"]: one for one in map(_component, installed)}
    components = [by_address[address] for address in sorted(by_address)]
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
    _reports = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    _installed = [one for report in _reports for one in report["install"]]
    print(json.dumps(bill_of_materials(_installed, release=_release), indent=1))
