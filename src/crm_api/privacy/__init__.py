"""Privacy: what customers agreed to, for which purposes they may be contacted, and which addresses are left alone."""
