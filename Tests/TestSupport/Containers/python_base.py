"""Writes the tar of an image's layer with this Python and a shell: python3 python_base.py OUTPUT.

What a base image has, made of what is installed here, so that tests need no registry outside. Of the library only what
the servers beside this file and the functions of tests use.
"""
import base64, ctypes, encodings.idna, encodings.latin_1, encodings.utf_8, fcntl, http.server, io, json, mmap, os, random
import resource, select, signal, socket, stat, subprocess, sys, tarfile, tempfile, threading, time, traceback, zipfile

program = os.path.realpath(sys.executable)
files = {}
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None)
    if path and path.endswith((".py", ".so")) and os.path.realpath(path) != os.path.realpath(__file__):
        files[path] = os.path.realpath(path)
objects = [program, "/bin/sh"] + [path for path in files if path.endswith(".so")]
listing = subprocess.run(["ldd", *objects], capture_output=True, text=True).stdout
for word in listing.split():
    if word.startswith("/") and not word.endswith(":"):
        files[word] = os.path.realpath(word)

with tarfile.open(sys.argv[1], "w") as tar:
    def add(name, data=b"", mode=0o755, kind=tarfile.REGTYPE, link=""):
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.mode, entry.type, entry.linkname, entry.size = mode, kind, link, len(data)
        tar.addfile(entry, io.BytesIO(data))

    for folder in "bin dev etc lib64 proc root sys tmp usr usr/bin var var/tmp".split():
        add(folder, mode=0o1777 if folder.endswith("tmp") else 0o755, kind=tarfile.DIRTYPE)
    # Where the library is looked for, so that no warning is printed: the interpreter's own mark.
    add(os.path.join(os.path.dirname(os.__file__), "lib-dynload"), kind=tarfile.DIRTYPE)
    add("etc/passwd", b"root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/tmp:/bin/sh\n", 0o644)
    add("etc/group", b"root:x:0:\nweb:x:1000:\n", 0o644)
    for path, real in sorted(files.items()):
        with open(real, "rb") as file:
            add(path, file.read(), 0o755 if ".so" in path else 0o644)
    for name, real in ((program, program), ("/bin/sh", os.path.realpath("/bin/sh"))):
        with open(real, "rb") as file:
            add(name, file.read())
    if program != "/usr/bin/python3":
        add("usr/bin/python3", kind=tarfile.SYMTYPE, link=program)
