"""Access: OAuth clients, their tokens and scopes, and who is calling."""

from .principal import Principal, Verifier, authorize, authorize_at_once, authorize_once
from .scopes import SCOPES, WORKER_SCOPES

__all__ = ["SCOPES", "WORKER_SCOPES", "Principal", "Verifier", "authorize", "authorize_at_once", "authorize_once"]
