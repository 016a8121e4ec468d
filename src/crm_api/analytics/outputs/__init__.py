"""What the models say of customers. Pure: workers, clients and the API read the same declarations."""

from typing import Final

from .rfm import RFM
from .values import DIGITS, Given, Kind, Output, Status, Value, stored_name

__all__ = ["DIGITS", "OUTPUTS", "RFM", "Given", "Kind", "Output", "Status", "Value", "stored_name"]

OUTPUTS: Final[dict[str, Output]] = {output.model: output for output in (RFM,)}
"""Every model there is, by its name; in this order they are answered."""
