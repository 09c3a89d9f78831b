"""vmlinux.py BZIMAGE VMLINUX: the ELF kernel inside a bzImage. qemu starts it directly (PVH), which saves the guest the
decompressing: a second under software emulation.

The header's fields are in the kernel's Documentation/arch/x86/boot.rst (protocol 2.08)."""

import struct
import subprocess
import sys

SETUP_SECTS, MAGIC, PAYLOAD_OFFSET = 0x1F1, 0x202, 0x248
SECTOR, ZSTD = 512, bytes.fromhex("28b52ffd")

image = open(sys.argv[1], "rb").read()
if image[MAGIC : MAGIC + 4] != b"HdrS":
    sys.exit(f"error: `{sys.argv[1]}` is no bzImage")
offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
start = ((image[SETUP_SECTS] or 4) + 1) * SECTOR + offset
payload = image[start : start + length]
if not payload.startswith(ZSTD):
    sys.exit(f"error: the kernel in `{sys.argv[1]}` is not compressed by zstd")
# The last four bytes are the size of what comes out.
size = struct.unpack("<I", payload[-4:])[0]
kernel = subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE, check=True).stdout
if len(kernel) != size or not kernel.startswith(b"\x7fELF"):
    sys.exit(f"error: can't get the kernel out of `{sys.argv[1]}`")
open(sys.argv[2], "wb").write(kernel)
