"""What a reader needs to know about the machine to judge the numbers, and how the peers get onto it."""
from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

# `runc` and `containerd` come with docker.io; `docker-registry` serves the images.
PACKAGES = ["podman", "crun", "runc", "docker.io", "containerd", "skopeo", "umoci", "uidmap", "docker-registry",
            "slirp4netns"]
INSTALL = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=600", *PACKAGES]
VERSIONS = {"podman": "podman", "docker": "dockerd", "crun": "crun", "runc": "runc", "skopeo": "skopeo",
            "umoci": "umoci", "containerd": "containerd"}


def hint() -> str:
    return f"install the peers with: {' '.join(INSTALL[:4])} {' '.join(PACKAGES)}   (or `bench/run --install`)"


def version(tool: str) -> str:
    """The first line of `TOOL --version`, without the tool's name; empty if it isn't installed."""
    if not shutil.which(tool):
        return ""
    said = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.strip().splitlines()
    words = [w.strip(",") for w in said[0].split() if w[:1].isdigit() or (w[:1] == "v" and w[1:2].isdigit())] if said else []
    return words[0] if words else "version unknown"


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def describe() -> str:
    """Processor, memory, kernel and the peers' versions, as a list."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    peers = ", ".join(f"{name} {version(tool)}" for name, tool in VERSIONS.items() if version(tool))
    return (f"- {os.cpu_count()} × {cpu}, {memory_kib / 2**20:.1f} GiB, Linux {platform.release()}\n"
            f"- {peers or 'no peers installed'}\n")


def disk_mib(folder: Path) -> float:
    """Blocks taken below a folder; a hard-linked file counts once; other file systems do not."""
    if not folder.exists():
        return 0.0
    said = subprocess.run(["du", "-skx", str(folder)], capture_output=True, text=True).stdout
    return int(said.split()[0]) / 1024
