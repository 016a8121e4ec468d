"""A worker by hand: each step of handing messages over, one call at a time."""

from typing import Any

from ..calling import Api


class Postman:
    """A worker by hand."""

    def __init__(self, api: Api, *, gateway: str = "smtp", can_look_up: bool = False) -> None:
        self.api, self.gateway, self.can_look_up = api, gateway, can_look_up
        self.lease_id = ""

    async def plan(self) -> None:
        """Drive the set jobs that are due until none is."""
        while claimed := (await self.api.post("/v1/jobs/claim", {"worker": "tests", "limit": 10}))["data"]:
            for job in claimed:
                while not (await self.api.post(f"/v1/jobs/{job['id']}/steps", {"lease_id": job["lease_id"]}))["done"]:
                    pass

    async def exchange(self, **parts: Any) -> dict[str, Any]:
        wish = {"gateway": self.gateway, "can_look_up": self.can_look_up, **parts}
        answer: dict[str, Any] = await self.api.put("/v1/messages/exchange", wish)
        return answer

    async def claim(self, limit: int = 20) -> list[dict[str, Any]]:
        """Claim one batch."""
        claimed = (await self.exchange(claim=limit))["claimed"]
        if not claimed["batches"]:
            return []
        [batch] = claimed["batches"]
        self.lease_id = batch["lease_id"]
        campaigns = {campaign["id"]: campaign for campaign in claimed["campaigns"]}
        return [{**campaigns[message["campaign_id"]], **message} for message in batch["data"]]

    async def begin(self, messages: list[dict[str, Any]], links: Any = ()) -> list[str]:
        used = [{"campaign_id": messages[0]["campaign_id"], "links": links}] if links else []
        wish = {"lease_id": self.lease_id, "messages": [each["id"] for each in messages], "links": used}
        answer = await self.exchange(hand_over=[wish])
        allowed: list[str] = answer["allowed"]
        return allowed

    async def report(self, ids: list[str], result: str = "sent", **told: Any) -> dict[str, list[str]]:
        reports = [{"id": id, "result": result, **told} for id in ids]
        answer = await self.exchange(report=[{"lease_id": self.lease_id, "reports": reports}])
        reported: dict[str, list[str]] = answer["reported"]
        return reported
