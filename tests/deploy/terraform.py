"""The Terraform files of deploy/aws, read as they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
from hcl2 import SerializationOptions

from tests.support.project import ROOT

FOLDER = ROOT / "deploy/aws"
FILES = sorted([*FOLDER.glob("*.tf"), *FOLDER.glob("modules/*/*.tf")])

_PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)


@dataclass(frozen=True)
class Block:
    """A block such as ``resource "aws_s3_bucket" "this"``; of a variable, `type` is its name."""

    module: str
    type: str
    name: str
    content: dict[str, Any]


def blocks(kind: str) -> Iterator[Block]:
    """Return the blocks of a kind: resource, data, variable, output."""
    for path in FILES:
        for entry in _read(path).get(kind, []):
            for first, inner in entry.items():
                if kind in ("resource", "data"):
                    for name, content in inner.items():
                        yield Block(path.parent.name, first, name, content)
                else:
                    yield Block(path.parent.name, first, "", inner)


def resources(*types: str) -> list[Block]:
    """Return the resources of some types."""
    return [block for block in blocks("resource") if block.type in types]


@cache
def _read(path: Path) -> dict[str, Any]:
    with path.open() as file:
        return hcl2.load(file, serialization_options=_PLAIN)
