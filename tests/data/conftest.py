"""Where the real data of these tests lies."""

import os
from pathlib import Path

import pytest

from crm_api.cli import completejourney


@pytest.fixture(scope="session")
def data() -> Path:
    """The files of Complete Journey; without them the test is skipped, unless CRM_TEST_REQUIRE forbids that."""
    try:
        return completejourney.folder()
    except completejourney.DataMissing as missing:
        if os.environ.get("CRM_TEST_REQUIRE"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
