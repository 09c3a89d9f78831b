#!/usr/bin/env python3
"""list.py DIR: one line per path below DIR, sorted by bytes: what must be the same however layers were unpacked.

type mode uid gid nlink size mtime path[ -> target][ xattr=hex ...]

Directories have no nlink, size and mtime: they depend on the file system below, and on who made a folder first that a
layer only implies. Bytes of names outside printable ASCII,
spaces and backslashes are written as \\xHH."""

import os
import stat
import sys

TYPES = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p", stat.S_IFCHR: "c", stat.S_IFBLK: "b"}


def quoted(name):
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x5C else f"\\x{b:02x}" for b in name)


def line(root, path):
    facts = os.lstat(path)
    kind = TYPES[stat.S_IFMT(facts.st_mode)]
    nlink, size, mtime = ("-",) * 3 if kind == "d" else (facts.st_nlink, facts.st_size, int(facts.st_mtime))
    mode = format(stat.S_IMODE(facts.st_mode), "o")
    text = f"{kind} {mode} {facts.st_uid} {facts.st_gid} {nlink} {size} {mtime} "
    text += quoted(os.path.relpath(path, root))
    if kind == "l":
        text += " -> " + quoted(os.readlink(path))
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        # umoci as root leaves none of its own; overlayfs marks are how a store works, not what an image holds.
        if not name.startswith("trusted.overlay."):
            text += f" {name}={os.getxattr(path, name, follow_symlinks=False).hex()}"
    return text


def paths(folder):
    yield folder
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            yield from paths(entry.path)
        else:
            yield entry.path


def main():
    root = os.fsencode(sys.argv[1])
    for path in sorted(paths(root)):
        print(line(root, path))


main()
