"""Versions as ETags: `If-Match` guards a write, `If-None-Match` saves a read (RFC 9110, section 13)."""

from typing import Annotated, Any

from fastapi import Header

from .problems import VersionMismatch

IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=1000, description="ETag that must still be current, else 412")
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", max_length=1000, description="ETag already known; 304 when still current")
]


def etag(version: int) -> str:
    """Write a version as a strong ETag."""
    return f'"{version}"'


def _names(header: str, version: int, *, weakly: bool) -> bool:
    if header.strip() == "*":
        return True
    wanted = etag(version)
    return any((tag.strip().removeprefix("W/") if weakly else tag.strip()) == wanted for tag in header.split(","))


def check_version(if_match: str | None, version: int, current: Any) -> None:
    """Refuse a write meant for another version. Errors: VersionMismatch, with the present state."""
    if if_match is not None and not _names(if_match, version, weakly=False):
        raise VersionMismatch(
            f"The current version is {etag(version)}", headers={"ETag": etag(version)}, current=current
        )


def is_known(if_none_match: str | None, version: int) -> bool:
    """Say whether the caller already holds this version."""
    return if_none_match is not None and _names(if_none_match, version, weakly=True)
