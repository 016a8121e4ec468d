"""Memory of a process: what the C library would keep goes back to the system, what lives for long is left in peace."""

import ctypes
import gc
from typing import Final

# Of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 8 << 20
_KEPT: Final = 32 << 20


def give_back_large_blocks() -> None:
    """Let each block of 8 MiB and more go back when it is freed; smaller ones are kept for the next time, as usual.

    By itself glibc takes the largest block it has seen for the bound, and keeps what is below it, for each thread
    apart: to check a secret takes 19 MiB, which would stay for good. Other C libraries are left as they are.
    """
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    adjust(_MMAP_THRESHOLD, _LARGE)
    adjust(_TRIM_THRESHOLD, _KEPT)


def spare_the_collector() -> None:
    """Keep what lives as long as the process out of every garbage collection, and collect less often.

    A batch makes objects by the million, none of them in cycles, and a third of its time went into looking for some; a
    worker stood still for 60 ms at a time, looking through its libraries. Not much less often than usual, since
    everybody waits while so many objects are looked at: to free 12,000 took 7 to 16 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 60, 100)
