"""partition.py DISK: writes a master boot record with one Linux partition, from the first mebibyte to the disk's end.

The kernel knows it as PARTUUID=15014a21-01.
"""
import os
import struct
import sys

SECTOR, BEGIN, SIGNATURE, LINUX = 512, 2048, 0x15014A21, 0x83

with open(sys.argv[1], "r+b") as disk:
    sectors = os.fstat(disk.fileno()).st_size // SECTOR
    # Places in the old way of cylinders are not looked at.
    entry = struct.pack("<B3sB3sII", 0, bytes(3), LINUX, bytes(3), BEGIN, sectors - BEGIN)
    disk.seek(440)
    disk.write(struct.pack("<IH", SIGNATURE, 0) + entry + bytes(3 * 16) + b"\x55\xaa")
