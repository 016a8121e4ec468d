"""The guide to the timeline: its commands are run as they are printed."""

import asyncio
import os
import re
from pathlib import Path

from fastapi import FastAPI

from ..calling import Api
from ..serving import served

GUIDE = Path(__file__).parents[2] / "docs" / "touchpoints.md"


async def test_every_command_of_the_guide_works(app: FastAPI, api: Api, token: str) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    script = "set -euo pipefail\n" + "\necho\n".join(blocks)
    async with served(app) as (host, port):
        environment = {"PATH": os.environ["PATH"], "CRM": f"http://{host}:{port}", "TOKEN": token}
        running = await asyncio.create_subprocess_exec(
            "bash", "-c", script, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(running.communicate(), 60)
    printed = out.decode()
    assert running.returncode == 0, printed + err.decode()
    assert printed.count('"summary":{"received":3,"created":1,"repeated":0,"rejected":2}') == 1
    assert printed.count('"summary":{"received":3,"created":0,"repeated":1,"rejected":2}') == 1
    assert "customer_id,kind,occurred_at,amount,currency" in printed
    assert '"paid_amount":"3.99"' in printed
