"""broken.py LAYOUT BUSYBOX: tags that each break one promise of the specification.

noconfig    the config blob does not exist           badconfig   the config is not JSON
emptyconfig the config is `{}`                       nolayer     the layer blob does not exist
baddigest   the layer's bytes have another digest    badsize     the descriptor's size is one too many
baddiffid   the config's diff ID is another          fewdiffids  the config has no diff ID for the layer
notgzip     the layer is not gzip, whatever it says  truncated   gzip stops in the middle, digest and size are right
nottar      gzip of what is not a tar archive        badtype     a layer media type that nobody knows
escape      the tar archive holds `../escaped`       notjson     the manifest is not JSON (the registry answers 500)
"""

import copy
import gzip
import hashlib
import io
import os
import sys
import tarfile

sys.path.insert(0, os.environ["HERE"])
from layout import CONFIG, MANIFEST, TAR, Layout  # noqa: E402

layout = Layout(sys.argv[1])
busybox = Layout(sys.argv[2])
layout.import_blobs(busybox)
good = busybox.read_json(busybox.tags()["latest"])
config = busybox.read_json(good["config"])
layer = good["layers"][0]
absent = "sha256:" + hashlib.sha256(b"no blob has this digest").hexdigest()


def with_layer(blob, diff_id):
    changed = copy.deepcopy(config)
    changed["rootfs"]["diff_ids"] = [diff_id]
    return layout.image(changed, [blob])


def with_config(change):
    changed = copy.deepcopy(config)
    change(changed)
    return layout.image(changed, [layer])


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


layout.tag("noconfig", layout.manifest({**good["config"], "digest": absent}, [layer]))
layout.tag("badconfig", layout.manifest(layout.add(CONFIG, b"this is not JSON {"), [layer]))
layout.tag("emptyconfig", layout.manifest(layout.add(CONFIG, b"{}"), [layer]))
layout.tag("nolayer", with_layer({**layer, "digest": absent}, config["rootfs"]["diff_ids"][0]))

# One byte of the content is changed after its digest was taken.
other = io.BytesIO()
with tarfile.open(fileobj=other, mode="w") as tar:
    tar.addfile(tarfile.TarInfo("changed-later"))
packed = bytearray(gzip.compress(other.getvalue(), mtime=0))
descriptor = layout.add(TAR + "+gzip", bytes(packed))
packed[-1] ^= 1
layout.blob_path(descriptor["digest"]).write_bytes(packed)
layout.tag("baddigest", with_layer(descriptor, digest_of(other.getvalue())))

layout.tag("badsize", with_layer({**layer, "size": layer["size"] + 1}, config["rootfs"]["diff_ids"][0]))
layout.tag("baddiffid", with_config(lambda c: c["rootfs"].update(diff_ids=[absent])))
layout.tag("fewdiffids", with_config(lambda c: c["rootfs"].update(diff_ids=[])))
layout.tag("notgzip", with_layer(layout.add(TAR + "+gzip", b"neither gzip nor tar" * 100), absent))
whole = layout.read(layer)
layout.tag("truncated", with_layer(layout.add(TAR + "+gzip", whole[: len(whole) // 2]), config["rootfs"]["diff_ids"][0]))
noise = b"this is not a tar archive " * 1000
layout.tag("nottar", with_layer(layout.add(TAR + "+gzip", gzip.compress(noise, mtime=0)), digest_of(noise)))
layout.tag("badtype", with_layer({**layer, "mediaType": "application/vnd.example.layer"}, config["rootfs"]["diff_ids"][0]))

hostile = io.BytesIO()
with tarfile.open(fileobj=hostile, mode="w") as tar:
    entry = tarfile.TarInfo("../escaped")
    entry.size = 5
    tar.addfile(entry, io.BytesIO(b"evil\n"))
blob, diff_id = layout.gzip_layer(hostile.getvalue())
layout.tag("escape", with_layer(blob, diff_id))
layout.tag("notjson", layout.add(MANIFEST, b"<html>this is not a manifest</html>"))
