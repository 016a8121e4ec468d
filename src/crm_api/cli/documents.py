"""`crm openapi`: the files under openapi/, written from the code."""

import json
from typing import Annotated

import typer

from ..app import create_app
from ..core.migrations import FOLDER
from ..core.openapi import documents
from ..settings import Settings
from .output import CommandFailed, Format, Output, OutputOption
from .reporting import reported


@reported
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file differs.")] = False,
    output: OutputOption = Format.text,
) -> None:
    """Write openapi/ anew from the code."""
    folder = FOLDER.with_name("openapi")
    texts = {folder / name: _text(document) for name, document in _made().items()}
    different = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if check and different:
        names = ", ".join(path.name for path in different)
        raise CommandFailed(f"Not what the code says: {names}", "Run `make openapi` and commit what it writes.")
    for path in different:
        path.parent.mkdir(exist_ok=True)
        path.write_text(texts[path])
    changed = ", ".join(path.name for path in different) or "nothing"
    Output(output).result({"files": [str(path) for path in texts], "changed": len(different)}, f"Changed: {changed}")


def _made() -> dict[str, dict[str, object]]:
    # The document depends on nothing that is set; no connection is opened to derive it.
    settings = Settings(database_url="postgresql://nobody@localhost/nothing", secret_key="x" * 32)
    return documents(create_app(settings))


def _text(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
