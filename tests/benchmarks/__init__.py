"""The bench: our service beside what an expert would write for that one job and nothing else, in turn, in one run."""
