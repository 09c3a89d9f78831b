"""The C floor: three ways to call it."""
from __future__ import annotations

from pathlib import Path

from .cgroup import Cgroup
from .sample import Command, Row

REFERENCE = "C floor"  # The row the others are divided by.


def rows(program: Path, rootfs: Path, work: Path, network: str, cgroup: Cgroup) -> list[Row]:
    state = work / f"floor-{network}"
    state.mkdir()
    host = ["-n"] if network == "host" else []

    def row(label: str, *flags: str) -> Row:
        return Row(label, Command([str(program), *host, *flags, str(rootfs), str(state), "/bin/true"]))

    found = [row(REFERENCE, "-v"), row("C floor, overlay not volatile")]
    made = cgroup.floor_cgroup()
    if made:
        found.append(row("C floor, Docker's mounts and a v2 cgroup", "-v", "-d", "-c", str(made)))
    return found
