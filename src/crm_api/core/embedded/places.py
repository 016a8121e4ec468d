"""Whose processes the embedded servers are and where their data lies, above all when root starts them."""

import os
import pwd
import shutil
import stat
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# PostgreSQL refuses to run as root, so root lends it to a user the machine already has; none is created.
_LENT_TO = ("postgres", "nobody")
# That user's data lies outside anyone's home, in a folder of our own; no other folder's mode is touched.
_SHARED_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108  # the folder made in there belongs to root


class ServerFailed(RuntimeError):
    """An embedded server did not come up; the text says which, and ends with its last log lines."""


class User(NamedTuple):
    """Whom a process belongs to."""

    uid: int
    gid: int


def lent_to() -> User | None:
    """Return who runs the servers in root's place; nobody when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in _LENT_TO:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid)
    raise ServerFailed(f"Root cannot run PostgreSQL, and this machine has none of the users {', '.join(_LENT_TO)}")


def user_and_data(place: Path) -> tuple[User | None, Path]:
    """Return who runs PostgreSQL and where the data lies that belongs at `place`."""
    if os.geteuid() != 0:
        return None, place
    if place.is_dir() and not place.is_symlink():
        # An ordinary user began here, and root goes on as that user.
        begun = place.stat()
        return User(begun.st_uid, begun.st_gid), place
    if not (place.is_symlink() and place.readlink().parent.is_dir()):
        user = lent_to()
        folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=_shared_folder()))
        # Whoever removes a `.crm` as root finds here which data was its own; data is never removed by guess.
        (folder / "belongs-to").write_text(f"{place}\n")
        if user:
            os.chown(folder, *user)
        place.unlink(missing_ok=True)
        place.symlink_to(folder / "data")
    owner = place.readlink().parent.stat()
    return User(owner.st_uid, owner.st_gid), place.readlink()


def _shared_folder() -> Path:
    for parent in _SHARED_FOLDERS:
        folder = parent / "crm-api"
        try:
            folder.mkdir()
            folder.chmod(0o755)
        except FileExistsError:
            pass
        except OSError:
            continue
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == 0:
            return folder
    raise ServerFailed(f"Found no place for PostgreSQL's data in {' or '.join(map(str, _SHARED_FOLDERS))}")


def reachable(distribution: str, program: str, user: User | None) -> Path:
    """Return a packaged program's path, or that of a copy where the package lies in a folder closed to the user."""
    package = program.split("/", 1)[0]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"The package {distribution} is not installed; run `make run`, which installs it")
    site = Path(spec.origin).parents[1]
    packaged = next(site.glob(program))
    if user is None or all(path.stat().st_mode & stat.S_IXOTH for path in (packaged, *packaged.parents)):
        return packaged
    copy = _shared_folder() / f"{package}-{version(distribution)}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir=copy.parent))
        for part in (package, f"{package}.libs"):
            if (site / part).exists():
                shutil.copytree(site / part, draft / part, ignore=shutil.ignore_patterns("include", "__pycache__"))
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            draft.rename(copy)
        except OSError:
            # Another start was faster; its copy is as good.
            shutil.rmtree(draft)
    return next(copy.glob(program))
