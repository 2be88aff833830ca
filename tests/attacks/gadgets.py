"""Published gadgets, in every form that a stored pipeline could hold them.

    python -m tests.attacks.gadgets

tries them all and prints one JSON object. It runs in a process of its own,
with an audit hook that cannot be removed again.
"""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from engine.runtime.onnx_file import refuse_external_data
from engine.runtime.trusted_types import load_pipeline
from persistence.store_errors import UntrustedArtifact

_WORDS = """
os:system os:popen os:execv os:execl os:spawnv os:spawnlp os:posix_spawn os:fork os:remove
os:unlink os:rename os:putenv os:startfile posix:system posix:popen posix:execv nt:system
subprocess:Popen subprocess:run subprocess:call subprocess:check_output subprocess:check_call
subprocess:getoutput subprocess:getstatusoutput builtins:eval builtins:exec builtins:compile
builtins:getattr builtins:setattr builtins:delattr builtins:__import__ builtins:open
builtins:breakpoint builtins:globals builtins:input builtins:vars builtins:apply
__builtin__:eval pickle:loads pickle:load pickle:Unpickler _pickle:loads cPickle:loads
marshal:loads joblib:load joblib.numpy_pickle:load dill:loads cloudpickle:loads shelve:open
numpy:load numpy:fromfile numpy:save numpy.f2py.crackfortran:getlincoef
numpy.f2py.crackfortran:_eval_length numpy.f2py.crackfortran:myeval
numpy.testing._private.utils:runstring numpy.testing._private.utils:rundocs numpy:memmap
numpy.ctypeslib:load_library numpy.lib._npyio_impl:NpzFile pandas:read_pickle pandas:eval
pandas.io.pickle:read_pickle pandas.io.common:get_handle pandas:read_sql runpy:run_path
runpy:run_module runpy:_run_code pty:spawn code:interact code:InteractiveInterpreter
code:InteractiveConsole codeop:compile_command timeit:timeit timeit:Timer timeit:main
cProfile:run cProfile:runctx cProfile:Profile profile:run profile:Profile pdb:run pdb:runeval
pdb:Pdb bdb:Bdb bdb:Bdb.run trace:Trace trace:Trace.run doctest:debug_script
doctest:testsource asyncio:create_subprocess_shell asyncio.subprocess:create_subprocess_exec
asyncio.unix_events:_UnixSubprocessTransport webbrowser:open webbrowser:get
webbrowser:GenericBrowser ctypes:CDLL ctypes:cdll ctypes:PyDLL ctypes:string_at
ctypes.util:find_library importlib:import_module importlib:reload
importlib.machinery:SourceFileLoader importlib.util:spec_from_file_location imp:load_source
pydoc:pipepager pydoc:locate pydoc:tempfilepager pkgutil:resolve_name zipimport:zipimporter
unittest.mock:_importer unittest.mock:patch unittest:main torch:load torch.jit:load
torch.utils._config_module:ConfigModule.load_config
torch.utils.bottleneck.__main__:run_cprofile torch.hub:load
torch._dynamo.guards:GuardBuilder.get torch.utils.collect_env:run
torch.fx.experimental.symbolic_shapes:ShapeEnv.evaluate_guards_expression
distutils.spawn:spawn distutils.core:run_setup distutils.file_util:write_file setuptools:setup
setuptools._distutils.spawn:spawn idlelib.pyshell:ModifiedInterpreter idlelib.run:Executive
idlelib.autocomplete:AutoComplete.get_entity idlelib.calltip:Calltip.fetch_tip
idlelib.debugobj:ObjectTreeItem.SetText lib2to3.pgen2.grammar:Grammar.loads
lib2to3.pgen2.pgen:ParserGenerator.make_label ensurepip:bootstrap ensurepip:_run_pip
venv:create venv:EnvBuilder pip:main pip._internal:main pip._internal.cli.main:main
operator:methodcaller operator:attrgetter operator:itemgetter functools:partial
functools:reduce functools:partialmethod types:FunctionType types:CodeType types:LambdaType
types:MethodType shutil:rmtree shutil:move shutil:copyfile shutil:unpack_archive socket:socket
socket:create_connection ssl:get_server_certificate urllib.request:urlopen
urllib.request:urlretrieve http.client:HTTPSConnection requests.api:get smtplib:SMTP
ftplib:FTP telnetlib:Telnet logging.config:listen logging.config:dictConfig
logging.config:_resolve multiprocessing:Process multiprocessing.util:spawnv_passfds
concurrent.futures:ProcessPoolExecutor signal:signal signal:raise_signal atexit:register
sys:settrace sys:exit gc:get_objects threading:Thread commands:getoutput tempfile:mktemp
linecache:updatecache sqlite3:connect readline:read_init_file rlcompleter:Completer
inspect:getattr_static site:main sysconfig:_main mimetypes:main cgitb:lookup
xmlrpc.client:ServerProxy test.support.script_helper:assert_python_ok yaml:load
yaml:unsafe_load jsonpickle:decode django.utils.autoreload:run_with_reloader flask:Flask.run
werkzeug.utils:import_string click:edit click:launch scipy.io:loadmat scipy:show_config
scipy._lib._util:getargspec_no_self sklearn.datasets:load_files
sklearn.utils._testing:create_memmap_backed_data sklearn.datasets:fetch_openml
sklearn.utils._joblib:load
"""

#: Module and name of what runs code, starts a process, reaches out or removes files.
GADGETS = [(module, name) for module, _, name in (one.partition(":") for one in _WORDS.split())]

#: What an audit hook tells of code that runs, of processes, files and the network.
DANGEROUS = {
    "compile", "exec", "import", "marshal.loads", "pickle.find_class", "os.system", "os.exec",
    "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.remove", "os.rename",
    "os.putenv", "subprocess.Popen", "pty.spawn", "open", "shutil.rmtree", "shutil.move",
    "shutil.copyfile", "socket.__new__", "socket.connect", "socket.getaddrinfo", "ctypes.dlopen",
    "ctypes.dlsym", "webbrowser.open", "urllib.Request", "builtins.breakpoint", "builtins.input",
    "code.__new__", "function.__new__", "sqlite3.connect", "sys.settrace", "ensurepip.bootstrap",
}  # fmt: skip

Node = dict[str, Any]


def _node(loader: str, module: str, name: str, **content: Any) -> Node:
    return {"__class__": name, "__module__": module, "__loader__": loader, **content}


def _json(value: Any) -> Node:
    return _node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def _list(*items: Node) -> Node:
    return _node("ListNode", "builtins", "list", content=list(items))


def _arguments(*values: Any) -> Node:
    return _node("TupleNode", "builtins", "tuple", content=[_json(one) for one in values])


def _dict(**values: Node) -> Node:
    types = _list(*(_node("TypeNode", "builtins", "str") for _ in values))
    return _node("DictNode", "builtins", "dict", content=values, key_types=types)


_RUN = _arguments("touch gadget-ran")

#: A gadget's module and name -> a node of each kind that a file may have.
NODES: dict[str, Callable[[str, str], Node]] = {
    "FunctionNode": lambda m, n: _node("FunctionNode", m, n),
    "TypeNode": lambda m, n: _node("TypeNode", m, n),
    "ObjectNode": lambda m, n: _node("ObjectNode", m, n, content=_dict(cmd=_json("id"))),
    "ObjectNode bare": lambda m, n: _node("ObjectNode", m, n),
    "ConstructorFromReduceNode": lambda m, n: _node(
        "ConstructorFromReduceNode", m, n, content=_RUN
    ),
    "MethodNode": lambda m, n: _node(
        "MethodNode", m, n, content={"func": "__call__", "obj": _node("ObjectNode", m, n)}
    ),
    "MethodNode of another": lambda m, n: _node(
        "MethodNode", "builtins", "str", content={"func": n, "obj": _node("ObjectNode", m, n)}
    ),
    "PartialNode": lambda m, n: _node(
        "PartialNode", "functools", "partial",
        content={
            "func": _node("FunctionNode", m, n), "args": _RUN, "kwds": _dict(),
            "namespace": _dict(),
        },
    ),
    "OperatorFuncNode": lambda m, n: _node("OperatorFuncNode", m, n, attrs=_RUN),
    "OperatorFuncNode of operator": lambda m, n: _node(
        "OperatorFuncNode", "operator", "methodcaller", attrs=_arguments(n, m)
    ),
    "JsonNode": lambda m, n: _node("JsonNode", m, n, content='"id"', is_json=True),
    "DictNode": lambda m, n: _node("DictNode", m, n, content={}, key_types=_list()),
    "DictNode keys": lambda m, n: _node(
        "DictNode", "builtins", "dict", content={"id": _json(1)},
        key_types=_list(_node("TypeNode", m, n)),
    ),
    "DefaultDictNode": lambda m, n: _node(
        "DefaultDictNode", "collections", "defaultdict",
        content={"main": _dict(), "default_factory": _node("FunctionNode", m, n)},
    ),
    "ListNode": lambda m, n: _node("ListNode", m, n, content=[_json("id")]),
    "SetNode": lambda m, n: _node("SetNode", m, n, content=[_json("id")]),
    "TupleNode": lambda m, n: _node("TupleNode", m, n, content=[_json("id")]),
    "NdArrayNode": lambda m, n: _node(
        "NdArrayNode", m, n, type="json", content=[_json("id")], shape=_arguments(1)
    ),
    "NdArrayNode of numpy": lambda m, n: _node("NdArrayNode", m, n, type="numpy", file="a.npy"),
    "NdArrayNode of old": lambda m, n: _node(
        "NdArrayNode", m, n, type="json", content=[_node("FunctionNode", m, n)], shape=_arguments(1)
    ),
    "MaskedArrayNode": lambda m, n: _node(
        "MaskedArrayNode", m, n, content={"data": _json(1), "mask": _json(1)}
    ),
    "DTypeNode": lambda m, n: _node("DTypeNode", m, n, content=_node("FunctionNode", m, n)),
    "RandomStateNode": lambda m, n: _node("RandomStateNode", m, n, content=_dict()),
    "RandomGeneratorNode": lambda m, n: _node(
        "RandomGeneratorNode", "numpy.random._generator", "Generator",
        content={"bit_generator": _dict(bit_generator=_json(n)), "seed_seq": _dict()},
    ),
    "SparseMatrixNode": lambda m, n: _node("SparseMatrixNode", m, n, type="scipy", file="a.npy"),
    "BytesNode": lambda m, n: _node("BytesNode", m, n, file="a.npy"),
    "LossNode": lambda m, n: _node("LossNode", m, n, content=_dict(), __reduce__={"args": _RUN}),
    "TreeNode": lambda m, n: _node("TreeNode", m, n, content=_dict(), __reduce__={"args": _RUN}),
    "SliceNode": lambda m, n: _node(
        "SliceNode", m, n, content={"start": n, "stop": None, "step": None}
    ),
    "unheard of": lambda m, n: _node("GadgetNode", m, n, content=_RUN),
    "CachedNode": lambda m, n: _node("CachedNode", m, n, __id__=1),
}  # fmt: skip


def skops_file(node: Node, *, protocol: int = 2) -> bytes:
    """Put a node into a skops file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("schema.json", json.dumps({**node, "protocol": protocol}))
        file.writestr("a.npy", pickle_of("os", "system"))
    return content.getvalue()


def pickle_of(module: str, name: str) -> bytes:
    """Write a pickle that calls a gadget."""
    return f"c{module}\n{name}\n(S'touch gadget-ran'\ntR.".encode()


def files() -> Iterator[tuple[str, bytes]]:
    """Give every file with its title."""
    step = "LogisticRegression"
    for module, name in GADGETS:
        for kind, make in NODES.items():
            yield f"{kind} {module}.{name}", skops_file(make(module, name))
        held = _node(
            "ObjectNode", "sklearn.linear_model._logistic", step,
            content=_dict(C=NODES["FunctionNode"](module, name), coef_=_json(1)),
        )  # fmt: skip
        yield f"in an estimator {module}.{name}", skops_file(held)
        of_old = {"module_path": module, "function": name}
        old = _node("FunctionNode", "numpy", "abs", content=of_old)
        yield f"of protocol 0 {module}.{name}", skops_file(old, protocol=0)
        yield f"pickle {module}.{name}", pickle_of(module, name)


def main() -> dict[str, Any]:
    """Try every file; name what was taken, and what happened meanwhile."""
    from sklearn.linear_model import LogisticRegression
    from skops.io import dumps

    load_pipeline(dumps(LogisticRegression()), model="credit")  # imports what it needs
    known = [*files()]
    events: list[str] = []
    is_listening = True

    def listen(event: str, values: tuple[Any, ...]) -> None:
        if is_listening and event in DANGEROUS:
            events.append(f"{event} {values!r}"[:200])

    sys.addaudithook(listen)
    taken = []
    for title, content in known:
        for read in (lambda one: load_pipeline(one, model="credit"), refuse_external_data):
            try:
                read(content)
            except UntrustedArtifact:
                continue
            taken.append(title)
    is_listening = False
    return {
        "gadgets": len(GADGETS), "files": len(known), "taken": taken, "events": events,
        "imported": sorted({"pty", "pip", "torch", "idlelib", "lib2to3"} & set(sys.modules)),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main()))
