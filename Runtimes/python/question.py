"""Says who this interpreter is, and compiles the runner for it: `python3 -I -S -E question.py FOLDER`."""

import os
import sys


def compile_runner(folder):
    import py_compile

    # Workers are other users: what they cannot read they compile anew in each start.
    os.umask(0o022)
    package = os.path.join(folder, "weir_runner")
    for name in sorted(os.listdir(package)):
        path = os.path.join(package, name)
        if not name.endswith(".py"):
            continue
        # The folder's name holds a hash of its content: no need to look at the source's time in every start.
        target = sys.implementation.cache_tag
        compiled = os.path.join(package, "__pycache__", "%s.%s.pyc" % (name[:-3], target))
        if not os.path.exists(compiled):
            py_compile.compile(
                path, cfile=compiled, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def text(value):
    return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def main():
    try:
        compile_runner(sys.argv[1])
    except Exception as error:
        print("the runner cannot be compiled:", error, file=sys.stderr)
    version = "%d.%d" % sys.version_info[:2]
    print('{"program":%s,"version":%s,"prefix":%s}' % (
        text(os.path.realpath(sys.executable)), text(version), text(sys.base_prefix)))


main()
