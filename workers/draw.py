"""`python -m workers.draw`: a Vega-Lite specification in, an SVG out; a process of its own, whose memory goes with it.

Nothing is fetched: a specification that names an address is drawn without it.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, Final

import orjson

VEGA_LITE: Final = "5.21"
_SECONDS: Final = 60


class NotDrawn(Exception):
    """The picture could not be drawn; the text says why."""


async def svg(specification: dict[str, Any]) -> str:
    """Draw a picture. Errors: NotDrawn."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    drawing = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "workers.draw",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": path, "TZ": "UTC"},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            drawn, said = await drawing.communicate(orjson.dumps(specification))
    except BaseException as error:
        if drawing.returncode is None:
            drawing.kill()
            await drawing.wait()
        if isinstance(error, TimeoutError):
            raise NotDrawn(f"it took more than {_SECONDS} seconds") from None
        raise
    if drawing.returncode:
        raise NotDrawn(said.decode(errors="replace")[-300:])
    return drawn.decode()


def main() -> None:
    """Draw what stands on the standard input."""
    import vl_convert  # only here: it brings a browser's engine

    specification = sys.stdin.read()
    sys.stdout.write(vl_convert.vegalite_to_svg(specification, vl_version=VEGA_LITE, allowed_base_urls=[]))


if __name__ == "__main__":
    main()
