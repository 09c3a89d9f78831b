"""The C floor: the ways to call it."""
from __future__ import annotations

from pathlib import Path

from .cgroup import Cgroup
from .sample import Command, Row

REFERENCE = "C floor"  # The row the others are divided by.
OCI_REFERENCE = "C floor, Docker's mounts and all cgroups"  # The same among OCI runtimes.


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


def oci_rows(program: Path, rootfs: Path, work: Path, cgroup: Cgroup) -> list[Row]:
    """As much of an OCI runtime's work as the floor knows; with the cgroups of v1, too, where runtimes make them."""
    state = work / "floor-oci"
    state.mkdir()
    unified, v1 = cgroup.floor_cgroup(), cgroup.floor_v1_cgroups()
    argv = [str(program), "-v", "-d", *(["-c", str(unified)] if unified else [])]
    end = [str(rootfs), str(state), "/bin/true"]
    rows = [Row("C floor, Docker's mounts and a v2 cgroup", Command([*argv, *end]))] if unified else []
    return [*rows, Row(OCI_REFERENCE, Command([*argv, *(word for path in v1 for word in ("-1", str(path))), *end]))]
