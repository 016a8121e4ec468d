"""Turns at a processor: who answers somebody that waits takes short ones, and gets them sooner."""

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from typing import Final

# Of linux/sched/types.h and the tables of system calls; the C library has no name for it before glibc 2.41.
_SET_ATTRIBUTES: Final = {"x86_64": 314, "aarch64": 274}
_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
_SHORT_NANOSECONDS: Final = 100_000


def take_short_turns(pid: int = 0) -> None:
    """Let a process (this one: 0), and what it starts later, have a processor for .1 ms at a time and not for 1 to 3.

    It has no more of the processors by that, but does not wait until others have used their longer turns up: Linux
    from 6.12 on gives a processor to who wants it for a shorter time. Elsewhere, and where it is not allowed,
    everything stays as it is.
    """
    call = _SET_ATTRIBUTES.get(platform.machine())
    if call is None or sys.platform != "linux" or sys.maxsize < 2**32:
        return
    with suppress(OSError, AttributeError):
        if os.sched_getscheduler(pid) != os.SCHED_OTHER:
            return  # somebody chose
        nice = os.getpriority(os.PRIO_PROCESS, pid)
        wish = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, _SHORT_NANOSECONDS, 0, 0)
        ctypes.CDLL(None).syscall(call, pid, wish, 0)
