"""Everything about one customer in one call."""
