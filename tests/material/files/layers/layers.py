"""layers.py build LAYOUT | check ROOTFS: the layers of image `layers`, and what they must come to."""

import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.environ["HERE"])
from layout import Layout  # noqa: E402

TIME = 1_600_000_000  # of every entry that says nothing else
# vfs_cap_data revision 2 (capabilities(7)): effective bit, cap_net_bind_service (bit 10) permitted.
NET_BIND = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
LONG = "long/" + "/".join(["a-folder-name-of-fifty-characters-" + "x" * 16] * 6) + "/" + "f" * 200
ODD = "odd/sp ace\nnew\tline é \\back"


class Layer:
    """A tar archive made entry by entry, in pax format."""

    def __init__(self):
        self.bytes = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.bytes, mode="w", format=tarfile.PAX_FORMAT)

    def _add(self, name, kind, mode, data=b"", target="", owner=(0, 0), mtime=TIME, xattrs=None):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.mtime, entry.linkname, entry.size = kind, mode, mtime, target, len(data)
        entry.uid, entry.gid = owner
        for key, value in (xattrs or {}).items():
            # tarfile writes pax records as UTF-8; surrogateescape carries bytes that are none through unchanged.
            entry.pax_headers["SCHILY.xattr." + key] = value.decode("utf-8", "surrogateescape")
        self.tar.addfile(entry, io.BytesIO(data))
        return self

    def file(self, name, text, mode=0o644, **more):
        return self._add(name, tarfile.REGTYPE, mode, text.encode(), **more)

    def dir(self, name, mode=0o755, **more):
        return self._add(name, tarfile.DIRTYPE, mode, **more)

    def symlink(self, name, target, **more):
        return self._add(name, tarfile.SYMTYPE, 0o777, target=target, **more)

    def hardlink(self, name, target, **more):
        return self._add(name, tarfile.LNKTYPE, 0o644, target=target, **more)

    def fifo(self, name, mode=0o600):
        return self._add(name, tarfile.FIFOTYPE, mode)

    def remove(self, name):
        folder, _, base = name.rpartition("/")
        return self.file(f"{folder}/.wh.{base}", "")

    def clear(self, folder):
        return self.file(f"{folder}/.wh..wh..opq", "")

    def done(self):
        self.tar.close()
        return self.bytes.getvalue()


def sparse_layer(path, *form):
    """GNU tar's view of an 8 MiB file with data only at 1 MiB."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/data")
        with open(f"{folder}/{path}", "xb") as file:
            file.seek(1 << 20)
            file.write(b"after a hole")
            file.truncate(8 << 20)
        os.chmod(f"{folder}/{path}", 0o644)
        options = ["--sparse", "--numeric-owner", "--owner=0", "--group=0", f"--mtime=@{TIME}"]
        return subprocess.run(
            ["tar", "-C", folder, *options, *form, "-cf", "-", path], check=True, stdout=subprocess.PIPE
        ).stdout


def layers():
    ground = Layer().dir("data").dir("odd").dir("long")
    ground.file("data/replaced", "old\n").file("data/deleted", "gone\n").file("data/kept", "kept\n")
    ground.dir("data/gone").file("data/gone/x", "x").dir("data/gone/deep").file("data/gone/deep/y", "y")
    ground.dir("data/cleared", 0o750, owner=(1000, 50)).file("data/cleared/old", "old").dir("data/cleared/olddir")
    ground.file("data/cleared/olddir/file", "old")
    ground.file("data/file-to-dir", "file").dir("data/dir-to-file").file("data/dir-to-file/inside", "x")
    ground.dir("data/dir-to-link").file("data/dir-to-link/inside", "x").symlink("data/link-to-dir", "kept")
    ground.file("data/hard1", "hard\n").hardlink("data/hard2", "data/hard1").hardlink("data/hard3", "data/hard1")
    ground.file("data/twin1", "twin\n").hardlink("data/twin2", "data/twin1")
    ground.dir("data/implied", 0o700, owner=(1000, 1000), mtime=1_500_000_000)
    ground.file("data/implied/lower", "lower")
    ground.dir("data/remode", 0o755).file("data/remode/stays", "stays")
    ground.dir("data/again").file("data/again/first", "first")
    yield ground.done()

    special = Layer().file("data/setuid", "#!/bin/sh\n", 0o4755).file("data/setgid", "#!/bin/sh\n", 0o2755)
    special.dir("data/sticky", 0o1777).dir("data/setgiddir", 0o2775, owner=(1000, 50))
    special.file("data/capable", "#!/bin/sh\n", 0o755, xattrs={"security.capability": NET_BIND})
    special.file("data/noted", "x", xattrs={"user.note": b"\x00\xffbytes=\n"}).fifo("data/fifo")
    special.symlink("data/dangling", "/nowhere/at/all").symlink("data/up", "../../../../etc/passwd")
    special.file("data/owned", "x", 0o640, owner=(3_000_000, 3_000_001))
    yield special.done()

    yield Layer().remove("data/deleted").remove("data/gone").file("data/replaced", "new\n", 0o600).done()
    yield Layer().dir("data/cleared", 0o750, owner=(1000, 50)).clear("data/cleared").file("data/cleared/new", "new").done()

    types = Layer().dir("data/file-to-dir").file("data/file-to-dir/inside", "now a folder")
    types.file("data/dir-to-file", "now a file").symlink("data/dir-to-link", "kept")
    types.dir("data/link-to-dir").file("data/link-to-dir/inside", "now a folder")
    yield types.done()

    # No entries for the folders above: `data/implied` keeps its mode and owner (and time, which umoci does not
    # restore), `fresh` gets defaults.
    yield Layer().file("data/implied/child/file", "deep").file("fresh/implied/file", "deep").done()
    # One of three names of a file is replaced, another deleted; the third keeps the content.
    yield Layer().file("data/hard2", "soft\n").remove("data/hard3").done()
    # Deleted and made again; first within one layer (a whiteout is about lower layers only), then across layers.
    again = Layer().remove("data/again").dir("data/again", 0o711).file("data/again/second", "second")
    again.dir("data/remode", 0o710, owner=(0, 50))
    yield again.done()
    yield Layer().remove("data/again").remove("data/never-was").done()
    names = Layer().dir("data/again").file("data/again/third", "third").file(LONG, "long name\n").file(ODD, "odd name\n")
    names.file("data/fraction", "x", mtime=1_600_000_000.123456)
    yield names.done()
    yield sparse_layer("data/sparse", "--format=posix")
    yield Layer().done()  # an empty archive, as old builders write for `ENV`


# Path to (mode with type, owner, what it holds): file text, link target, or a folder's sorted names.
F, D, L, P = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO
EXPECTED = {
    "data/replaced": (F | 0o600, (0, 0), "new\n"),
    "data/kept": (F | 0o644, (0, 0), "kept\n"),
    "data/cleared": (D | 0o750, (1000, 50), ["new"]),
    "data/file-to-dir": (D | 0o755, (0, 0), ["inside"]),
    "data/dir-to-file": (F | 0o644, (0, 0), "now a file"),
    "data/dir-to-link": (L | 0o777, (0, 0), "kept"),
    "data/link-to-dir": (D | 0o755, (0, 0), ["inside"]),
    "data/hard1": (F | 0o644, (0, 0), "hard\n"),
    "data/hard2": (F | 0o644, (0, 0), "soft\n"),
    "data/twin1": (F | 0o644, (0, 0), "twin\n"),
    "data/twin2": (F | 0o644, (0, 0), "twin\n"),
    "data/implied": (D | 0o700, (1000, 1000), ["child", "lower"]),
    "data/implied/child": (D | 0o755, (0, 0), ["file"]),
    "fresh": (D | 0o755, (0, 0), ["implied"]),
    "data/remode": (D | 0o710, (0, 50), ["stays"]),
    "data/again": (D | 0o755, (0, 0), ["third"]),
    "data/setuid": (F | 0o4755, (0, 0), "#!/bin/sh\n"),
    "data/setgid": (F | 0o2755, (0, 0), "#!/bin/sh\n"),
    "data/sticky": (D | 0o1777, (0, 0), []),
    "data/setgiddir": (D | 0o2775, (1000, 50), []),
    "data/fifo": (P | 0o600, (0, 0), None),
    "data/dangling": (L | 0o777, (0, 0), "/nowhere/at/all"),
    "data/up": (L | 0o777, (0, 0), "../../../../etc/passwd"),
    "data/owned": (F | 0o640, (3_000_000, 3_000_001), "x"),
    LONG: (F | 0o644, (0, 0), "long name\n"),
    ODD: (F | 0o644, (0, 0), "odd name\n"),
    "data/sparse": (F | 0o644, (0, 0), "\0" * (1 << 20) + "after a hole" + "\0" * ((7 << 20) - 12)),
}
NAMES = sorted(
    [path.split("/")[1] for path in EXPECTED if path.startswith("data/") and path.count("/") == 1]
    + ["capable", "noted", "fraction"]
)


def build(path):
    layout = Layout(path)
    manifest = layout.read_json(layout.tags()["latest"])
    config = layout.read_json(manifest["config"])
    blobs = list(manifest["layers"])
    for tar in layers():
        blob, diff_id = layout.gzip_layer(tar)
        blobs.append(blob)
        config["rootfs"]["diff_ids"].append(diff_id)
        config["history"].append({"created_by": "layers.py"})
    layout.tag("latest", layout.image(config, blobs))
    extras = {
        "crosslink": Layer().hardlink("data/kept-too", "data/kept").done(),
        "gnusparse": sparse_layer("data/gnusparse", "--format=gnu"),
    }
    for tag, tar in extras.items():
        blob, diff_id = layout.gzip_layer(tar)
        changed = {**config, "rootfs": {"type": "layers", "diff_ids": config["rootfs"]["diff_ids"] + [diff_id]}}
        layout.tag(tag, layout.image(changed, blobs + [blob]))


def check(root):
    wrong = []

    def expect(what, seen, wanted):
        if seen != wanted:
            wrong.append(f"{what}: {str(seen)[:200]} instead of {str(wanted)[:200]}")

    for path, (mode, owner, content) in EXPECTED.items():
        full = os.path.join(root, path)
        facts = os.lstat(full)
        expect(f"{path} mode", oct(facts.st_mode), oct(mode))
        expect(f"{path} owner", (facts.st_uid, facts.st_gid), owner)
        if stat.S_ISREG(mode):
            with open(full, encoding="utf-8") as file:
                expect(f"{path} text", file.read(), content)
        elif stat.S_ISDIR(mode):
            expect(f"{path} names", sorted(os.listdir(full)), content)
        elif stat.S_ISLNK(mode):
            expect(f"{path} target", os.readlink(full), content)
    expect("data names", sorted(os.listdir(f"{root}/data")), NAMES)
    expect("capability", os.getxattr(f"{root}/data/capable", "security.capability"), NET_BIND)
    expect("user.note", os.getxattr(f"{root}/data/noted", "user.note"), b"\x00\xffbytes=\n")
    expect("links that were undone", os.lstat(f"{root}/data/hard1").st_nlink, 1)
    expect("links that stay", os.lstat(f"{root}/data/twin1").st_nlink, 2)
    if wrong:
        raise SystemExit("\n".join(wrong))


{"build": build, "check": check}[sys.argv[1]](sys.argv[2])
