"""The change feed: what happened, in the order of the commits, for whoever listens."""
