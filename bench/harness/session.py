"""Everything one bench run holds: programs of ours, a work directory on a fresh disk, a cgroup, a registry, and the engines that are installed.

`bench/run` enters namespaces first, so mounts and processes end with it whatever happens; the files and cgroups of
`work` and `cgroup` are removed by the caller after that.
"""
from __future__ import annotations

import pwd
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from . import isolazi
from .cgroup import Cgroup
from .docker import Docker
from .isolazi import Isolazi
from .podman import Podman
from .registry import Registry
from .sample import Failed, Meter, User

TEST_USER = "isolazi-test"  # Made by tests/material/install.sh, with subordinate ids.


class Session:
    def __init__(self, programs: Path, work: Path, cgroup: Cgroup, user_name: str, stack: ExitStack):
        self.work = work
        self.cgroup = cgroup
        self.meter = Meter(programs / "measure", work)
        self.floor = programs / "floor"
        self.missing: dict[str, str] = {}
        self.registry = Registry(work)
        stack.callback(self.registry.stop)
        self.registry.start()
        user = self._user(user_name)
        self._open_isolazi(user)
        self._open_podman(user)
        self._open_docker(stack)
        self.runtimes = [name for name in ("crun", "runc") if self._installed(name)]
        self.has_skopeo = self._installed("skopeo") and self._installed("umoci")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _installed(self, name: str, program: str | None = None) -> bool:
        if shutil.which(program or name):
            return True
        self.missing[name] = "not installed"
        return False

    def _user(self, name: str) -> User | None:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            self.missing["isolazi, rootless"] = f"no user `{name}`: run tests/material/install.sh, or give --user"
            return None
        return User(name, entry.pw_uid, entry.pw_gid)

    def _open_isolazi(self, user: User | None) -> None:
        self.isolazi = self.isolazi_rootless = None
        binary, reason = isolazi.find()
        if not binary:
            self.missing["isolazi"] = reason
            return
        # A copy that every user may execute, and that a build meanwhile does not change.
        copy = self.work / "isolazi"
        shutil.copy(binary, copy)
        copy.chmod(0o755)
        self.isolazi = Isolazi(copy, self.work / "home-isolazi")
        if user:
            self.isolazi_rootless = Isolazi(copy, self.work / "home-isolazi-rootless", user)

    def _open_podman(self, user: User | None) -> None:
        self.podman = self.podman_rootless = None
        if not self._installed("podman"):
            return
        self.podman = Podman(self.work / "home-podman", self.registry.address, self.cgroup.name)
        if user and shutil.which("newuidmap"):
            self.podman_rootless = Podman(self.work / "home-podman-rootless", self.registry.address,
                                          self.cgroup.name, user)
            self.podman_rootless.open()

    def _open_docker(self, stack: ExitStack) -> None:
        self.docker = None
        if not self._installed("docker", "dockerd"):
            return
        docker = Docker(self.work, self.cgroup)
        stack.callback(docker.stop)
        try:
            docker.start()
        except Failed as failure:
            self.missing["docker"] = str(failure)
            return
        self.docker = docker
