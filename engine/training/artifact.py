"""The fitted pipeline as bytes: the same pipeline gives the same bytes in every run.

skops names parts by their addresses in memory, and its archive has the time of day.
"""

import io
import json
from pathlib import PurePosixPath
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import skops
from skops.io._utils import SaveContext, get_state

_SCHEMA = "schema.json"


def dump_pipeline(pipeline: Any) -> bytes:
    """Return a fitted pipeline in the format of skops; equal pipelines give equal bytes."""
    with ZipFile(io.BytesIO(quick_dumps(pipeline))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    state = json.loads(parts.pop(_SCHEMA))
    _sort_sets(state)
    names = _number_parts(state)
    files = {name: parts[was] for was, name in names.items()}
    files[_SCHEMA] = json.dumps(state).encode()
    content = io.BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED, compresslevel=6) as archive:
        for name, part in files.items():
            entry = ZipInfo(name)  # of 1980
            entry.create_system = 3  # as on Unix
            archive.writestr(entry, part, ZIP_DEFLATED, compresslevel=6)
    return content.getvalue()


def quick_dumps(pipeline: Any) -> bytes:
    """Return what `skops.io.dumps` does, which takes longer, since it indents its JSON."""
    content = io.BytesIO()
    with ZipFile(content, "w") as archive:
        context = SaveContext(archive)
        state = get_state(pipeline, context)
        state |= {"protocol": context.protocol, "_skops_version": skops.__version__}
        archive.writestr(_SCHEMA, json.dumps(state))
    return content.getvalue()


def _sort_sets(node: Any) -> None:
    """Order the items of sets, whose order changes with every process."""
    for child in _children(node):
        _sort_sets(child)
    if isinstance(node, dict) and node.get("__loader__") == "SetNode":
        node["content"].sort(key=_without_ids)


def _without_ids(node: Any) -> str:
    def bare(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: bare(value) for key, value in node.items() if key != "__id__"}
        return [bare(item) for item in node] if isinstance(node, list) else node

    return json.dumps(bare(node), sort_keys=True)


def _number_parts(state: Any) -> dict[str, str]:
    """Number objects and files in the order in which they stand; return the files' new names."""
    numbers: dict[Any, int] = {}
    names: dict[str, str] = {}
    stack = [state]
    while stack:
        node = stack.pop()
        if isinstance(node, dict) and isinstance(address := node.get("__id__"), int):
            # Where plain values are in memory depends on more than the pipeline.
            is_plain = node.get("__loader__") == "JsonNode"
            key = (node["__class__"], node["content"]) if is_plain else address
            node["__id__"] = numbers.setdefault(key, len(numbers) + 1)  # skops ignores 0
        if isinstance(node, dict) and isinstance(file := node.get("file"), str):
            node["file"] = names.setdefault(file, f"{len(names)}{PurePosixPath(file).suffix}")
        stack += reversed(_children(node))
    return names


def _children(node: Any) -> list[Any]:
    if isinstance(node, dict):
        return [*node.values()]
    return node if isinstance(node, list) else []
