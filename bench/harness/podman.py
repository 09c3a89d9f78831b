"""Podman with stores of its own: as root, and as an ordinary user."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .sample import Command, User, runtime_dir


class Podman:
    def __init__(self, home: Path, address: str, cgroup_name: str, user: User | None = None):
        self.home = home
        self.user = user
        self.cgroup_name = cgroup_name
        home.mkdir()
        # On tmpfs as by default; podman takes no more than 50 characters here.
        self.run_root = Path("/run/bench-podman" if user is None else f"/run/user/{user.uid}/podman")
        (home / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{home}/store"\nrunroot = "{self.run_root}"\n')
        (home / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
        if user:
            os.chown(home, user.uid, user.gid)
        self.env = {"HOME": str(home), **runtime_dir(user),
                    "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"),
                    "CONTAINERS_REGISTRIES_CONF": str(home / "registries.conf")}

    def open(self) -> None:
        """Rootless podman keeps its user namespace alive by a process that outlives the first command: not measured."""
        if self.user:
            command = self.command(self.home / "store", "info")
            subprocess.run(command.argv, env={"PATH": os.environ["PATH"], **command.env}, cwd="/", capture_output=True,
                           user=self.user.uid, group=self.user.gid, extra_groups=[])

    def command(self, store: Path, *words: str, runtime: str | None = None) -> Command:
        argv = ["podman", "--root", str(store), "--runroot", str(self.run_root), "--cgroup-manager=cgroupfs"]
        if runtime:
            argv += ["--runtime", runtime]
        return Command(argv + list(words), self.env, self.user)

    def run(self, store: Path, network: str, reference: str, runtime: str | None = None) -> Command:
        # Rootless without a delegated cgroup podman makes none, and refuses to be told where.
        parent = [] if self.user else ["--cgroup-parent", f"/{self.cgroup_name}/podman"]
        return self.command(store, "run", "--rm", "--network", network, *parent, reference, "true", runtime=runtime)
