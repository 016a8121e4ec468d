"""The API from a caller's side: one session, typed calls over it; used by workers, the command line and tests."""

from .problems import ApiFailure, ApiInterrupted, ApiProblem, ApiUnreachable
from .session import ApiClient

__all__ = ["ApiClient", "ApiFailure", "ApiInterrupted", "ApiProblem", "ApiUnreachable"]
