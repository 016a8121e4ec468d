"""The guide to consents: its commands are run as they are printed."""

import asyncio
import os
import re
from pathlib import Path

from fastapi import FastAPI

from ..calling import Api
from ..serving import served

GUIDE = Path(__file__).parents[2] / "docs" / "consents.md"


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
    assert '"is_current":true,"result":"created"' in printed
    assert '"result":"repeated"' in printed
    assert "did you mean newsletter?" in printed
    assert '"summary":{"received":3,"created":2,"repeated":0,"rejected":1}' in printed
    assert '"channel":"phone","purpose":"service"' in printed
    assert "id,customer_id,channel,purpose,state,occurred_at" in printed
    assert '"display_name":"Dora Example"' in printed, "the older withdrawal of the import does not count"
    assert '"address":"dora@example.com"' in printed
