"""Processes that answer somebody take short turns at a processor, and so does what they start."""

import os
import platform
import re
import subprocess
import sys

import pytest

KERNEL = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2]) if sys.platform == "linux" else (0, 0)
TELL = """
import ctypes, os, struct
told = ctypes.create_string_buffer(48)
assert ctypes.CDLL(None).syscall(315, 0, told, 48, 0) == 0
_, policy, _, nice, _, runtime, _, _ = struct.unpack("=IIQiIQQQ", told.raw)
print(policy, nice, runtime)
"""
SHORT = "from crm_api.core.turns import take_short_turns; take_short_turns()"
BEFORE = "import os; os.nice(3)"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TELL!r}], check=True)"


def told(*steps: str) -> list[int]:
    """Take steps in a process of its own, whose last tells the policy, the niceness and the length of a turn."""
    done = subprocess.run([sys.executable, "-c", "\n".join(steps)], capture_output=True, text=True, check=True)
    return [int(each) for each in done.stdout.split()]


@pytest.mark.skipif(KERNEL < (6, 12) or platform.machine() != "x86_64", reason="turns have one length there")
def test_short_turns_are_inherited_and_change_nothing_else() -> None:
    nice = os.nice(0)
    assert told(TELL) != [os.SCHED_OTHER, nice, 100_000]
    assert told(BEFORE, SHORT, TELL) == [os.SCHED_OTHER, min(nice + 3, 19), 100_000]
    assert told(SHORT, IN_A_CHILD) == [os.SCHED_OTHER, nice, 100_000]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has other policies")
def test_a_policy_that_somebody_chose_stays() -> None:
    chosen = "import os; os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))"
    asked = "import os; print(os.sched_getscheduler(0))"
    assert told(chosen, SHORT, asked) == [os.SCHED_BATCH]
