"""multiarch.py LAYOUT (SOURCE ARCH)...: an index `latest` of the images `latest` of other layouts; a lone source is
tagged `manifest` as well."""

import os
import sys

sys.path.insert(0, os.environ["HERE"])
from layout import CONFIG, Layout  # noqa: E402

layout = Layout(sys.argv[1])
sources = list(zip(sys.argv[2::2], sys.argv[3::2]))
entries = []
for path, arch in sources:
    source = Layout(path)
    layout.import_blobs(source)
    latest = source.tags()["latest"]
    manifest = {key: latest[key] for key in ("mediaType", "digest", "size")}
    platform = {"architecture": arch, "os": "linux"}
    if arch == "arm64":
        platform["variant"] = "v8"
    entries.append({**manifest, "platform": platform})
if len(sources) == 1:
    layout.tag("manifest", entries[0])
else:
    note = layout.manifest(layout.add_json(CONFIG, {"architecture": "unknown", "os": "unknown", "config": {}}), [])
    entries.append({**note, "platform": {"architecture": "unknown", "os": "unknown"}})
layout.tag("latest", layout.index(entries))
