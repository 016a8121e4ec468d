"""What tests of outreach share."""

import pytest

from ..calling import Api
from .postman import Postman


@pytest.fixture
def postman(api: Api) -> Postman:
    """A worker by hand."""
    return Postman(api)
