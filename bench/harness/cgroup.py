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
        self.borrowed: list[Path] = []
        mounts = _mounts()
        accounting = [m for kind, options, m in mounts if kind == "cgroup" and "cpuacct" in options.split(",")]
        self.unified = next((m for kind, _, m in mounts if kind == "cgroup2"), None)
        self.is_v1 = bool(accounting)
        if not accounting and not self.unified:
            raise SystemExit("error: can't account daemons: no cgroup hierarchy is mounted")
        self.path = (accounting[0] if accounting else self.unified) / self.name
        self.daemon = self.path / "daemon"

    def make(self, folder: Path) -> None:
        """Makes us, and borrows what stands in crun's way; call `remove` whatever happens."""
        self._borrow_controllers(folder)
        self.daemon.mkdir(parents=True)

    def _borrow_controllers(self, folder: Path) -> None:
        """Beside v1 hierarchies crun refuses a v2 hierarchy that still has controllers: a v1 mount takes them away."""
        if not (self.is_v1 and self.unified):
            return
        for controller in (self.unified / "cgroup.controllers").read_text().split():
            target = folder / f"cgroup-{controller}"
            target.mkdir()
            subprocess.run(["mount", "-t", "cgroup", "-o", controller, "cgroup", str(target)], check=True)
            self.borrowed.append(target)

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

    def remove(self) -> None:
        """Removes us from every hierarchy; all processes have ended before."""
        for _, _, mount in _mounts():
            for folder, _, _ in os.walk(mount / self.name, topdown=False):
                os.rmdir(folder)
        for target in self.borrowed:
            subprocess.run(["umount", str(target)], check=True)
