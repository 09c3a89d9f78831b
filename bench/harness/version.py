"""What starting the program costs when it has nothing to do, and how large it is on disk."""
from __future__ import annotations

import shutil
from pathlib import Path

from .sample import Command, Row, interleave
from .session import Session
from .table import failed, number, table

# What an engine needs to run a container, beside itself.
PARTS = {
    "podman": ["podman", "conmon", "crun"],
    "docker": ["docker", "dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy"],
    "crun": ["crun"],
    "runc": ["runc"],
    "skopeo + umoci": ["skopeo", "umoci"],
}


def report(session: Session, rounds: int) -> str:
    session.say(f"version: {rounds} rounds")
    rows = [Row("/bin/true", Command(["/bin/true"]))]
    if session.isolazi:
        rows.append(Row("**isolazi** version", session.isolazi.command(session.work / "version-store", "version")))
    rows += [Row(f"{tool} --version", Command([tool, "--version"])) for tool in ("podman", "crun", "runc")
             if shutil.which(tool)]
    if session.docker:
        rows.append(Row("docker --version", Command([session.docker.client, "--version"])))
    interleave(rows, rounds, session.meter)
    if "isolazi" in session.missing:
        rows.append(Row("**isolazi** version", None, failure=session.missing["isolazi"]))

    base = rows[0].wall_median
    header = ["", "wall min ms", "median", "p95", "CPU ms", "peak MiB", "more than /bin/true, ms"]
    lines = []
    for row in rows:
        lines.append(failed(row, len(header)) if row.failure else [
            row.label, number(row.wall[0]), number(row.wall_median), number(row.wall_p95), number(row.cpu_median),
            number(row.rss_peak), number(row.wall_median - base)])
    return f"### Version\n\n{table(header, lines)}\n\n### Size of the programs\n\n{sizes(session)}\n"


def sizes(session: Session) -> str:
    lines = []
    if session.isolazi:
        lines.append(["**isolazi**", number(session.isolazi.binary.stat().st_size / 2**20), "one static file"])
    for engine, parts in PARTS.items():
        found = {part: Path(path).resolve().stat().st_size for part in parts if (path := shutil.which(part, path=DEBIAN))}
        if parts[0] in found:
            lines.append([engine, number(sum(found.values()) / 2**20), ", ".join(found)])
    return table(["", "MiB", "files (without their libraries)"], lines)


# A docker client in /usr/local may be another one than Debian's.
DEBIAN = "/usr/bin:/usr/sbin:/usr/libexec/podman"
