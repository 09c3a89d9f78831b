"""A cgroup of ours in every hierarchy: where daemons are accounted, and where peers put their containers.

    <cpu hierarchy>/<name>/daemon       daemons and their clients
                          /containers   what docker starts
"""
from __future__ import annotations

import os
import subprocess
from pathlib import Path


def _mounts() -> list[tuple[str, str, Path]]:
    """(type, options, mount point) of every cgroup mount."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            found.append((kind, options, Path(left.split()[4])))
    return found


class Cgroup:
    def __init__(self, name: str):
        self.name = name
        mounts = _mounts()
        accounting = [m for kind, options, m in mounts if kind == "cgroup" and "cpuacct" in options.split(",")]
        self.unified = next((m for kind, _, m in mounts if kind == "cgroup2"), None)
        self.is_v1 = bool(accounting)
        if not accounting and not self.unified:
            raise SystemExit("error: can't account daemons: no cgroup hierarchy is mounted")
        self.path = (accounting[0] if accounting else self.unified) / self.name
        self.daemon = self.path / "daemon"

    def make(self) -> None:
        """Makes us; call `remove` whatever happens."""
        self.daemon.mkdir(parents=True)

    def hide_controllers(self, folder: Path) -> None:
        """Beside v1 hierarchies crun refuses a v2 hierarchy that still has controllers. In our own mount namespace it
        has none: what lists them is covered by an empty file."""
        if self.is_v1 and self.unified:
            (folder / "no-controllers").touch()
            subprocess.run(["mount", "--bind", folder / "no-controllers", self.unified / "cgroup.controllers"], check=True)

    def usage_ms(self) -> float:
        """User and system time of everything that ever ran below us."""
        if self.is_v1:
            return int((self.path / "cpuacct.usage").read_text()) / 1e6
        stat = dict(line.split() for line in (self.path / "cpu.stat").read_text().splitlines())
        return int(stat["usage_usec"]) / 1e3

    def floor_cgroup(self) -> Path | None:
        """Where the floor may make a v2 cgroup, or None without a v2 hierarchy."""
        if not self.unified:
            return None
        (self.unified / self.name).mkdir(exist_ok=True)
        return self.unified / self.name / "floor"

    def floor_v1_cgroups(self) -> list[Path]:
        """Where the floor may make its v1 cgroups: one in each hierarchy."""
        found = []
        for kind, options, mount in _mounts():
            if kind != "cgroup":
                continue
            parent = mount / self.name
            parent.mkdir(exist_ok=True)
            if "cpuset" in options.split(","):
                # No process can join a cpuset without processors; with clone_children a new one has its parent's.
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (parent / file).write_text((mount / file).read_text())
                (parent / "cgroup.clone_children").write_text("1")
            found.append(parent / "floor")
        return found

    def remove(self) -> None:
        """Removes us, and containers whose names begin like ours, from every hierarchy; all processes have ended."""
        for _, _, mount in _mounts():
            for ours in mount.glob(f"{self.name}*"):
                for folder, _, _ in os.walk(ours, topdown=False):
                    os.rmdir(folder)
