"""Segments handed to advertising platforms: hashed identifiers, as far as consent goes, added and removed."""
