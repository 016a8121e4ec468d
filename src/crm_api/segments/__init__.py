"""Segments: saved audiences, whose members are built in steps and published at once."""
