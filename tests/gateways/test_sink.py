"""The mail server of the tests as a process of its own."""

import asyncio
from pathlib import Path

from workers.gateways import HandOverUnknown, SmtpGateway, SmtpServer

from ..smtp_sink import read_log, sink_process
from .conftest import SENDER, mail, soon


async def test_a_sink_in_a_process_writes_down_what_it_accepts(tmp_path: Path) -> None:
    log = tmp_path / "accepted.jsonl"
    assert read_log(log) == []
    with sink_process(log, "--later-first", "1", "--drop-first", "1", "--reject", "no@example.org") as url:
        gateway = SmtpGateway(SmtpServer.at(url))
        results = []
        for to in ("a@example.org", "a@example.org", "b@example.org", "b@example.org", "no@example.org"):
            _, message = mail(to=to)
            try:
                results.append((await gateway.hand_over(message, SENDER, to, soon())).result)
            except HandOverUnknown:
                results.append("unknown")
        await gateway.close()
    assert results == ["deferred", "unknown", "deferred", "sent", "bounced"]
    assert [line["recipient"] for line in read_log(log)] == ["a@example.org", "b@example.org"]


async def test_the_same_seed_is_the_same_chance(tmp_path: Path) -> None:
    async def run(log: Path, seed: str) -> list[str]:
        with sink_process(log, "--later-rate", "0.5", "--seed", seed) as url:
            gateway = SmtpGateway(SmtpServer.at(url), connections=1)
            outcomes = [await gateway.hand_over(mail()[1], SENDER, f"c{n}@example.org", soon()) for n in range(30)]
            await gateway.close()
        return [outcome.result for outcome in outcomes]

    same, again, other = await asyncio.gather(
        run(tmp_path / "a", "1"), run(tmp_path / "b", "1"), run(tmp_path / "c", "2")
    )
    assert same == again != other
    assert len(read_log(tmp_path / "a")) == same.count("sent")
