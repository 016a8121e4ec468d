"""Jobs: long work as rows, leased to workers, in steps that a kill cannot tear."""
