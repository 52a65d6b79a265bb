"""From an interpreter that waits to the function that it runs."""

import os
import sys

from .events import Function
from .logs import state

# What the interpreter itself needs: a function's own file of such a name never was found before these.
CORE = frozenset(sys.modules)

COROUTINE_FLAGS = 0x80 | 0x100  # inspect.CO_COROUTINE, CO_ITERABLE_COROUTINE


def specialise(settings):
    """Becomes the function that the settings name; gives its handler, the handler's name and its kind."""
    Function.name = settings["name"]
    Function.namespace = settings["namespace"]
    Function.version = settings["version"]
    Function.timeout = settings["timeout"]
    Function.params = settings["params"]
    Function.limit = settings["answerLimit"]
    environment = settings.get("environment")
    if environment:
        os.environ.update(environment)
    memory = settings.get("memory")
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    found = load(settings)
    # What the module said while it was loaded has no mark: it belongs to the start.
    state.marker = settings["marker"].encode()
    return found


def load(settings):
    directory = settings["directory"]
    path = os.path.join(directory, settings["entry"])
    os.chdir(directory)
    find(directory, os.path.dirname(path), settings.get("paths", ()))
    bytecode = settings.get("bytecode")
    if bytecode:
        sys.pycache_prefix = bytecode
    sys.dont_write_bytecode = True
    name = os.path.splitext(os.path.basename(path))[0]
    name = name if name not in sys.modules else "function_" + name
    module = type(sys)(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(code_of(name, path), module.__dict__)
    wanted = settings.get("handler")
    names = [wanted] if wanted else ["handle_batch", "handle", "main"]
    for one in names:
        handler = module.__dict__.get(one)
        if callable(handler):
            return handler, one, settings.get("call") or kind_of(handler, one)
    if wanted:
        raise LookupError("%s defines no function '%s'" % (settings["entry"], wanted))
    raise LookupError("%s defines none of handle_batch(events, context), handle(event, context), main(args)" % (
        settings["entry"]))


def find(directory, above, paths):
    """Where modules are looked for: the function's own, the standard library, what it depends on, the system's."""
    # The interpreter runs without `site`; installed packages of the system are still for use, behind the function's own.
    version = "python%d.%d" % sys.version_info[:2]
    system = ("/usr/local/lib/%s/dist-packages" % version, "/usr/lib/python3/dist-packages",
              "%s/lib/%s/site-packages" % (sys.prefix, version))
    own = [directory] if directory == above else [directory, above]
    sys.path[:] = own + sys.path + list(paths) + [root for root in system if os.path.isdir(root)]
    # A module that was loaded beforehand must not hide the function's own file of that name.
    loaded = sys.modules.keys() - CORE
    for folder in own:
        for file in os.listdir(folder):
            name = file.partition(".")[0]
            if name in loaded and name != "weir_runner":
                for one in [one for one in loaded if one == name or one.startswith(name + ".")]:
                    sys.modules.pop(one, None)


def code_of(name, path):
    """The entry's code: compiled when it was deployed, if there is a cache and it is of this source, else now."""
    if sys.pycache_prefix and path.endswith(".py"):
        loader = sys.modules["_frozen_importlib_external"].SourceFileLoader(name, path)
        return loader.get_code(name)
    with open(path, "rb") as file:
        source = file.read()
    return compile(source, path, "exec", dont_inherit=True)


def kind_of(handler, name):
    code = getattr(handler, "__code__", None)
    names = code.co_varnames[:code.co_argcount] if code is not None else ()
    if name == "handle_batch" or names[:1] == ("events",):
        return "batch"
    if name == "main" or len(names) == 1:
        return "arguments"
    return "event"


def is_coroutine_function(handler):
    code = getattr(handler, "__code__", None)
    return code is not None and bool(code.co_flags & COROUTINE_FLAGS)
