"""Secrets in files of their own, for their owner only."""

import os
import secrets
import tempfile
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is never half there, and never open to others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(draft, "w") as file:
        file.write(text + "\n")
    os.replace(name, path)


def kept_secret(path: Path) -> str:
    """Read a random secret of ours; the first use makes it."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32))
    return path.read_text().strip()
