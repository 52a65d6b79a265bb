"""From an interpreter that waits to the function that it runs."""

import marshal
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
    path = directory + "/" + settings["entry"]
    above, _, file = path.rpartition("/")
    os.chdir(directory)
    find(directory, above, settings.get("paths", ()))
    bytecode = settings.get("bytecode")
    if bytecode:
        sys.pycache_prefix = bytecode
    sys.dont_write_bytecode = True
    name = file.rpartition(".")[0] or file
    name = name if name not in sys.modules else "function_" + name
    module = type(sys)(name)
    module.__file__ = path
    sys.modules[name] = module
    exec(code_of(path, bytecode), module.__dict__)
    return handler_in(module, settings)


def handler_in(module, settings):
    """The handler of a module, its name and how it is called."""
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


_system = None


def system_packages():
    """Installed packages of the system: the interpreter runs without `site`, and they are still for use."""
    global _system
    if _system is None:
        version = "python%d.%d" % sys.version_info[:2]
        _system = [root for root in (
            "/usr/local/lib/%s/dist-packages" % version, "/usr/lib/python3/dist-packages",
            "%s/lib/%s/site-packages" % (sys.prefix, version)) if os.path.isdir(root)]
    return _system


def find(directory, above, paths):
    """Where modules are looked for: the function's own, the standard library, what it depends on, the system's."""
    own = [directory] if directory == above else [directory, above]
    sys.path[:] = own + sys.path + list(paths) + system_packages()
    # A module that was loaded beforehand must not hide the function's own file of that name. Only its names are looked up:
    # to look at all modules would write to the reference counts of them all, which a forked worker shares with others.
    modules = sys.modules
    for folder in own:
        for file in os.listdir(folder):
            name = file.partition(".")[0]
            if name in modules and name not in CORE and name != "weir_runner":
                for one in [one for one in modules if one == name or one.startswith(name + ".")]:
                    modules.pop(one, None)


def code_of(path, bytecode):
    """The entry's code: compiled when it was deployed, if it was, else now."""
    if bytecode:
        try:
            # As the interpreter itself lays it: a head of 16 bytes (PEP 552), then the code. The folder belongs to this
            # code and this interpreter alone, so there is nothing to compare.
            stem, _, ending = path.rpartition(".")
            if ending == "py":
                above, _, file = stem.rpartition("/")
                cached = "%s%s/%s.%s.pyc" % (bytecode, above, file, sys.implementation.cache_tag)
                return marshal.loads(contents(cached)[16:])
        except (OSError, ValueError, EOFError, TypeError):
            pass
    return compile(contents(path), path, "exec", dont_inherit=True)


def contents(path):
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        data = os.read(file, size + 1)
        while len(data) < size:
            more = os.read(file, size - len(data))
            if not more:
                break
            data += more
        return data
    finally:
        os.close(file)


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
