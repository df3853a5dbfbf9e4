"""What the process does with memory that it needs no more."""

import ctypes
import gc
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
LARGE_BUFFER_BYTES: Final = 1024 * 1024


def return_large_buffers() -> bool:
    """Buffers above 1 MiB go back to the system when they are freed; False where the C library has no such setting.

    For a process that runs a node and nothing else. By itself glibc maps only buffers above a size that grows with
    every such buffer that is freed (mallopt(3), M_MMAP_THRESHOLD): each snapshot then leaves holes of tens of MB in the
    heap.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, LARGE_BUFFER_BYTES) == 1


def keep_what_is_there() -> None:
    """Objects that exist now are not looked at by the cyclic garbage collector any more.

    For a process that runs a node and nothing else, once it runs: a collection of all generations holds up everybody
    for as long as it looks, some milliseconds for the modules alone.
    """
    gc.freeze()
