"""Memory that one kind of request takes is there for all others afterwards."""

import subprocess
import sys

CHECK_MANY_SECRETS = """
from concurrent.futures import ThreadPoolExecutor
import psutil
from crm_api.access.tokens import fitting_secret, hasher
from crm_api.core.memory import give_back_large_blocks

give_back_large_blocks()
stored = hasher.hash("secret")
before = psutil.Process().memory_info().rss
with ThreadPoolExecutor(4) as pool:
    assert all(pool.map(lambda _: fitting_secret("secret", [stored]), range(12)))
print(psutil.Process().memory_info().rss - before)
"""


def test_checking_secrets_leaves_nothing_behind() -> None:
    """Each check takes 19 MiB while it lasts."""
    grown = subprocess.run([sys.executable, "-c", CHECK_MANY_SECRETS], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 8 << 20
