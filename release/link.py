#!/usr/bin/python3
"""Links the built programs for installation: each program, and one library with what several of them share.

    link.py BUILD OUTPUT VERSION PROGRAM...

BUILD is SwiftPM's directory, whose object files are linked. As SwiftPM links them, each program contains its own copy of
NIO, BoringSSL and so on, and loads Swift's libraries, 65 MB of which 39 MB are ICU's data. Here the modules that at least
two programs use, and the parts of Swift's static libraries that are needed, become libkantaibert-VERSION.so, which exports
what the programs use and nothing else. It is found in the directory of the program. The version is part of its name, so
that the programs of an upgrade never load the library of another version while files are being replaced.

Modules that need a C library (BLAS, libsystemd, libarchive) are linked into the programs: a program loads only the
C libraries that it uses, and only kantaibert-read loads those that parse untrusted files.
"""

import collections
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import icu_data

SWIFT = os.environ.get("SWIFT", "swift")
# Libraries of the C library and of the compiler, which any program loads.
SYSTEM = {"-lc", "-lm", "-ldl", "-lpthread", "-lrt", "-lutil", "-lstdc++", "-lgcc_s", "-lresolv"}
FLAGS = ["-fuse-ld=lld", "-pie", "-Wl,-O2", "-Wl,--gc-sections", "-Wl,-z,pack-relative-relocs", "-Wl,-z,relro"]
FLAGS += ["-Wl,--build-id=sha1", "-Wl,--as-needed", "-Wl,--threads=1"]
ICU_DATA = "icu_packaged_data.cpp.o"


def output(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


class Toolchain:
    def __init__(self):
        info = json.loads(output(SWIFT, "-print-target-info"))["paths"]
        self.static = pathlib.Path(info["runtimeResourcePath"]).parent / "swift_static" / "linux"
        self.bin = pathlib.Path(info["runtimeResourcePath"]).parents[2] / "usr" / "bin"
        machine = os.uname().machine
        self.startup = self.static / machine / "swiftrt.o"
        if not self.startup.exists():
            sys.exit(f"link: {self.startup} is missing: this toolchain has no static libraries")

    def link(self, arguments, work, name):
        response = work / f"{name}.arguments"
        response.write_text("\n".join(shlex.quote(str(argument)) for argument in arguments))
        subprocess.run([self.bin / "clang++", f"@{response}"], check=True)


def symbols(paths, kind, work):
    """The global symbols that each file (of an archive: each archive) defines or needs."""
    found = collections.defaultdict(set)
    response = work / "nm.arguments"
    response.write_text("\n".join(shlex.quote(str(path)) for path in paths))
    listing = output("nm", "--print-file-name", "--format=posix", "--extern-only", kind, f"@{response}")
    for line in listing.splitlines():
        place, _, entry = line.rpartition(": ")
        # The path of an archive is followed by the name of its member.
        found[re.sub(r"\[[^\]]*\]$", "", place)].add(entry.split()[0])
    return found


def module(path):
    return next(parent.name for parent in pathlib.Path(path).parents if parent.suffix == ".build")


def autolinked(toolchain, paths, work):
    """The libraries that object files of Swift ask for."""
    listing = work / "autolink"
    subprocess.run(
        [toolchain.bin / "swift-autolink-extract", *paths, "-o", listing], check=True, stdout=subprocess.DEVNULL)
    return {line for line in listing.read_text().split() if line.startswith("-l")}


def reduced_icu(toolchain, work):
    """ICU's archive, with the data of the root and English locales only."""
    archive, data, item = work / "lib_FoundationICU.a", work / "icu.dat", work / ICU_DATA
    shutil.copy(toolchain.static / "lib_FoundationICU.a", archive)
    subprocess.run(["ar", "x", archive, ICU_DATA], check=True, cwd=work)
    symbol = output("nm", "--defined-only", "--format=posix", item).split()[0]
    subprocess.run(["objcopy", "-O", "binary", "--only-section=.rodata", item, data], check=True)
    data.write_bytes(icu_data.reduce(data.read_bytes()))
    source = work / "icu_data.S"
    source.write_text(f"""
        .section .rodata
        .globl {symbol}
        .type {symbol}, @object
        .balign 16
        {symbol}: .incbin "{data}"
        .size {symbol}, . - {symbol}
        .section .note.GNU-stack, "", @progbits
        """)
    subprocess.run([toolchain.bin / "clang", "-c", source, "-o", item], check=True)
    subprocess.run(["ar", "r", archive, item], check=True, stderr=subprocess.DEVNULL)
    return archive


def partition(objects, external, defined, needed):
    """The modules that go into the library: used by several programs, and free of C libraries, also indirectly."""
    users = collections.Counter(name for modules in objects.values() for name in modules)
    shared = {name for name, count in users.items() if count > 1 and not external[name]}
    while True:
        available = set().union(*(defined[name] for name in shared))
        elsewhere = set().union(*(defined[name] for name in users if name not in shared)) - available
        dependent = {name for name in shared if needed[name] & elsewhere}
        if not dependent:
            return shared
        shared -= dependent


def main():
    build, result, version, *programs = sys.argv[1:]
    build, result = pathlib.Path(build).resolve(), pathlib.Path(result)
    toolchain = Toolchain()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        objects = {}
        for program in programs:
            modules = objects[program] = collections.defaultdict(list)
            for line in (build / f"{program}.product" / "Objects.LinkFileList").read_text().splitlines():
                # The build directory may have been moved since.
                path = "".join(shlex.split(line)).rpartition("/release/")[2]
                if not (build / path).exists():
                    sys.exit(f"link: {build / path} is missing: the last build did not succeed")
                modules[module(path)].append(build / path)
        files = {name: paths for modules in objects.values() for name, paths in modules.items()}
        place = {str(path): name for name, paths in files.items() for path in paths}
        defined, needed = collections.defaultdict(set), collections.defaultdict(set)
        for kind, table in ("--defined-only", defined), ("--undefined-only", needed):
            for path, names in symbols(place, kind, work).items():
                table[place[path]] |= names
        libraries = {name: autolinked(toolchain, paths, work) for name, paths in files.items()}
        swift = {library: toolchain.static / f"lib{library[2:]}.a" for names in libraries.values() for library in names}
        swift = {library: path for library, path in swift.items() if path.exists()}
        external = {name: names - swift.keys() - SYSTEM for name, names in libraries.items()}

        shared = partition(objects, external, defined, needed)
        archives = set(toolchain.static.glob("lib*.a")) - {
            toolchain.static / f"lib{name}.a"
            for name in ("swiftRuntime", "_FoundationICU", "FoundationNetworking", "FoundationXML",
                         "_CFURLSessionInterface", "_CFXMLInterface", "Testing", "XCTest", "swiftDistributed")
        }
        archives = sorted(archives) + [reduced_icu(toolchain, work)]
        available = set().union(
            *(defined[name] for name in shared), *symbols(archives, "--defined-only", work).values())
        own = {name for name in files if name not in shared}
        wanted = set().union(*(needed[name] for name in own), *symbols([toolchain.startup], "--undefined-only", work).values())
        exported = sorted(wanted & available)
        script = work / "exported.map"
        script.write_text("{ global:\n" + "".join(f'"{name}";\n' for name in exported) + "local: *; };\n")

        result.mkdir(parents=True, exist_ok=True)
        library = result / f"libkantaibert-{version}.so"
        toolchain.link(
            FLAGS[:1] + FLAGS[2:] + ["-shared", "-o", library, f"-Wl,-soname,{library.name}", "-Wl,-z,defs"]
            + [f"-Wl,--version-script={script}"] + [f"-Wl,-u,{name}" for name in exported] + [toolchain.startup]
            + [path for name in sorted(shared) for path in files[name]]
            + ["-Wl,--start-group", *archives, "-Wl,--end-group", "-ldl", "-lpthread"],
            work, "library")
        paths = shlex.split(output("pkg-config", "--libs-only-L", "openblas"))
        for program in programs:
            mine = sorted(objects[program].keys() - shared)
            toolchain.link(
                FLAGS + ["-o", result / program, f"-Wl,--defsym,main={program.replace('-', '_')}_main"]
                + ["-Wl,--no-export-dynamic", "-Wl,-rpath,$ORIGIN", toolchain.startup]
                + [path for name in mine for path in files[name]]
                + [library, *paths, *sorted(set().union(*(external[name] for name in mine))), "-ldl"],
                work, program)
    for path in [library, *(result / program for program in programs)]:
        before = path.stat().st_size
        subprocess.run(["strip", "--strip-unneeded", "--remove-section=.comment", path], check=True)
        print(f"  {path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
