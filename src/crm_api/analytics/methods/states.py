"""What an estimate may be worth: the words of every method's `status` column."""

from typing import Literal

Status = Literal["ok", "insufficient_data", "not_converged", "not_identified", "stale"]
"""`ok`: use it. `insufficient_data`: too little to say anything. `not_converged`: the fit found no optimum.
`not_identified`: the data cannot tell one answer from very different ones. `stale`: computed too long ago."""
