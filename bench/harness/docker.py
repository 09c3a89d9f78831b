"""Docker: a private dockerd (with its own containerd) that leaves the machine's own alone."""
from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from .cgroup import Cgroup
from .sample import Command, Failed

START_LIMIT_S = 60
STOP_LIMIT_S = 20
SETTLE_S = 0.05  # What the daemon still does when the client has returned belongs to the run.


class Docker:
    """Also what `Command.daemons` wants: `cgroup`, `begin()`, `end()`."""

    def __init__(self, work: Path, cgroup: Cgroup):
        self.home = work / "docker"
        self.accounting = cgroup
        self.cgroup = cgroup.daemon
        self.socket = f"unix://{self.home}/docker.sock"
        # A client elsewhere on PATH may belong to another machine; the one beside dockerd fits it.
        self.client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker")
        self.daemon: subprocess.Popen | None = None

    def start(self) -> None:
        self.home.mkdir()
        config = self.home / "daemon.json"
        config.write_text("{}")
        argv = ["dockerd", "--config-file", str(config), "--data-root", str(self.data), "-H", self.socket,
                "--exec-root", str(self.home / "run"), "-p", str(self.home / "pid"), "--storage-driver", "overlay2",
                "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--bridge=none",
                "--cgroup-parent", f"/{self.accounting.name}/containers", "--exec-opt", "native.cgroupdriver=cgroupfs"]
        log = open(self.home / "log", "w")
        enter = f'echo 0 > {self.cgroup}/cgroup.procs && exec "$@"'
        self.daemon = subprocess.Popen(["sh", "-c", enter, "sh"] + argv, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        deadline = time.monotonic() + START_LIMIT_S
        while subprocess.run(self.argv("version"), capture_output=True).returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                last = (self.home / "log").read_text().strip().splitlines()[-1:]
                raise Failed(f"dockerd does not start: {''.join(last)[:200]}")
            time.sleep(0.2)

    def stop(self) -> None:
        if self.daemon:
            self.daemon.terminate()
            try:
                self.daemon.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.daemon.kill()

    @property
    def data(self) -> Path:
        return self.home / "data"

    def argv(self, *words: str) -> list[str]:
        return [str(self.client), "-H", self.socket, *words]

    def command(self, *words: str) -> Command:
        return Command(self.argv(*words), {"HOME": str(self.home)}, daemons=self)

    def forget(self, reference: str) -> None:
        """Empties the store: the image and its layers go."""
        subprocess.run(self.argv("rmi", "-f", reference), capture_output=True)

    def _pids(self) -> list[str]:
        return (self.cgroup / "cgroup.procs").read_text().split()

    def begin(self) -> None:
        for pid in self._pids():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # Resets VmHWM: proc(5).
            except OSError:
                pass  # It ended meanwhile.
        self.before_ms = self.accounting.usage_ms()

    def end(self) -> tuple[float, float]:
        """CPU time since `begin` of all daemons, clients and containers, and the peak of the largest daemon."""
        time.sleep(SETTLE_S)
        peak_kib = 0
        for pid in self._pids():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue  # It ended meanwhile.
            peak_kib = max([peak_kib] + [int(l.split()[1]) for l in status.splitlines() if l.startswith("VmHWM:")])
        return self.accounting.usage_ms() - self.before_ms, peak_kib / 1024
