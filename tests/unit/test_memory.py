"""What a node's process keeps of memory that it needs no more."""

import ctypes
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from nacos_core.memory import return_large_buffers

class Usage(ctypes.Structure):
    names = "arena free fast maps mapped fast_top fast_free used rest top"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Usage
if {is_set}:
    assert return_large_buffers()
first = bytearray(16 << 20)
del first
before = libc.mallinfo2().mapped
second = bytearray(8 << 20)
print(libc.mallinfo2().mapped - before >= len(second))
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 tells of it"
)
def test_large_buffers_are_mapped_however_many_were_freed_before() -> None:
    def are_mapped(is_set: bool) -> bool:
        program = PROGRAM.replace("{is_set}", str(is_set))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip() == "True"

    assert are_mapped(True)
    assert not are_mapped(False), "then the setting is not needed any more"


def test_what_is_there_is_not_collected_again() -> None:
    program = """
import gc
import nacos_core.node
from nacos_core.memory import keep_what_is_there
before = len(gc.get_objects())
keep_what_is_there()
assert gc.get_freeze_count() >= before > 10_000 > len(gc.get_objects())
"""
    subprocess.run([sys.executable, "-c", program], timeout=20, check=True)
