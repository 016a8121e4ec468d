"""The SMTP gateway against a real mail server: exact about what is known, whatever goes wrong at whichever moment."""

import asyncio
import random
import time

import pytest

from workers.gateways import HandOverUnknown, Outcome, SmtpGateway, SmtpServer

from ..smtp_sink import SmtpSink
from .conftest import SENDER, mail, soon
from .scripted import HANG_UP, scripted

ANN = "ann@example.org"


async def hand_over(gateway: SmtpGateway, to: str = ANN, *, seconds: float = 10.0) -> tuple[str, Outcome]:
    """Send one message; answers its id too."""
    message_id, message = mail(to=to)
    return message_id, await gateway.hand_over(message, SENDER, to, soon(seconds))


async def test_a_message_arrives_as_it_was_sent(sink: SmtpSink, gateway: SmtpGateway) -> None:
    text = ".\n..\n. x\nFrom here\n" + "a" * 3000 + "\n\n" + "ä ö" * 500 + " \n.\n"
    message_id, message = mail(text)
    assert await gateway.hand_over(message, SENDER, ANN, soon()) == Outcome("sent", 250, "2.0.0 Accepted")
    assert sink.mails_to(ANN) == [message]
    assert sink.received(message_id) == sink.received(f"<{message_id}>") == 1


async def test_connections_are_used_again_and_no_more_than_allowed(sink: SmtpSink, gateway: SmtpGateway) -> None:
    recipients = [f"c{number}@example.org" for number in range(60)]
    found = await asyncio.gather(*(hand_over(gateway, to) for to in recipients))
    assert {outcome.result for _, outcome in found} == {"sent"}
    assert sink.counts() == dict.fromkeys(recipients, 1)
    assert sink.connection_count <= 3


@pytest.mark.parametrize("moment", ["RCPT", "DATA"])
async def test_what_the_server_wants_later_is_deferred(sink: SmtpSink, gateway: SmtpGateway, moment: str) -> None:
    sink.behavior.answer_at, sink.behavior.later_first = moment, 1
    _, outcome = await hand_over(gateway)
    assert outcome == Outcome("deferred", 451, "4.3.0 Try again later")
    assert sink.accepted == []
    assert (await hand_over(gateway))[1].result == "sent"
    assert sink.connection_count == 1, "the connection is good for another message"


@pytest.mark.parametrize(
    ("moment", "reply", "result"),
    [
        ("RCPT", "550 5.1.1 No such user", "bounced"),
        ("RCPT", "550 No such user", "bounced"),
        ("RCPT", "553 5.1.3 Malformed", "bounced"),
        ("RCPT", "550 5.2.1 Mailbox disabled", "bounced"),
        ("RCPT", "552 5.2.2 Mailbox full", "failed"),
        ("RCPT", "554 5.7.1 Relay access denied", "failed"),
        ("RCPT", "550 5.7.1 Listed as a source of spam", "failed"),
        ("RCPT", "550 5.1.8 Sender address rejected", "failed"),
        ("RCPT", "554 Transaction failed", "failed"),
        ("RCPT", "452 4.2.2 Mailbox full", "deferred"),
        ("DATA", "550 5.1.1 No such user", "bounced"),
        ("DATA", "554 5.6.0 Unwanted content", "failed"),
        ("DATA", "550 Unwanted content", "failed"),
    ],
)
async def test_only_a_mailbox_that_does_not_exist_bounces(
    sink: SmtpSink, gateway: SmtpGateway, moment: str, reply: str, result: str
) -> None:
    sink.behavior.answer_at, sink.behavior.reject_reply = moment, reply
    sink.behavior.reject = {ANN}
    _, outcome = await hand_over(gateway)
    assert outcome == Outcome(result, int(reply[:3]), reply[4:])  # type: ignore[arg-type]
    assert (await hand_over(gateway, "bob@example.org"))[1].result == "sent"
    assert sink.counts() == {"bob@example.org": 1}


async def test_a_connection_dropped_after_the_message_is_unknown(sink: SmtpSink, gateway: SmtpGateway) -> None:
    sink.behavior.drop_first = 1
    message_id, message = mail()
    with pytest.raises(HandOverUnknown):
        await gateway.hand_over(message, SENDER, ANN, soon())
    assert sink.received(message_id) == 1, "this time it was taken"
    assert (await hand_over(gateway))[1].result == "sent"


async def test_a_connection_dropped_before_the_message_is_deferred(sink: SmtpSink, gateway: SmtpGateway) -> None:
    sink.behavior.drop_before_first = 1
    message_id, outcome = await hand_over(gateway)
    assert (outcome.result, outcome.code, sink.received(message_id)) == ("deferred", None, 0)


async def test_a_connection_that_was_idle_is_replaced(sink: SmtpSink, gateway: SmtpGateway) -> None:
    await hand_over(gateway)
    sink.behavior.drop_before_first = 1
    message_id, outcome = await hand_over(gateway)
    assert (outcome.result, sink.received(message_id)) == ("sent", 1)
    sink.hang_up()
    await asyncio.sleep(0.1)
    message_id, outcome = await hand_over(gateway)
    assert (outcome.result, sink.received(message_id), sink.connection_count) == ("sent", 1, 3)


async def test_no_answer_in_time_is_unknown(sink: SmtpSink, gateway: SmtpGateway) -> None:
    sink.behavior.delay_seconds = 5
    message_id, message = mail()
    began = time.monotonic()
    with pytest.raises(HandOverUnknown):
        await gateway.hand_over(message, SENDER, ANN, soon(1))
    assert 0.9 < time.monotonic() - began < 3
    assert sink.received(message_id) == 1


async def test_nothing_begins_when_no_time_is_left(sink: SmtpSink, gateway: SmtpGateway) -> None:
    for seconds in (-1.0, 0.1):
        message_id, outcome = await hand_over(gateway, seconds=seconds)
        assert (outcome.result, sink.received(message_id)) == ("not_taken", 0)


async def test_a_message_waits_for_a_connection_as_long_as_it_may(sink: SmtpSink) -> None:
    narrow = SmtpGateway(SmtpServer.at(sink.url), connections=1)
    sink.behavior.delay_seconds = 2
    first = asyncio.create_task(hand_over(narrow))
    await asyncio.sleep(0.3)
    _, outcome = await hand_over(narrow, seconds=0.3)
    assert outcome == Outcome("not_taken", None, "no connection was free in time")
    assert (await first)[1].result == "sent"
    await narrow.close()


async def test_a_cancelled_hand_over_leaves_no_half_conversation(sink: SmtpSink, gateway: SmtpGateway) -> None:
    sink.behavior.delay_seconds = 1
    begun = asyncio.create_task(hand_over(gateway))
    await asyncio.sleep(0.4)
    begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await begun
    sink.behavior.delay_seconds = 0
    sink.behavior.reject = {"bob@example.org"}
    assert (await hand_over(gateway, "bob@example.org"))[1].result == "bounced", "the answer is to this message"
    assert sink.counts() == {ANN: 1}


async def test_a_server_that_is_away_defers_and_is_asked_again(sink: SmtpSink) -> None:
    sink.close()
    gateway = SmtpGateway(SmtpServer.at(sink.url))
    found = await asyncio.gather(*(hand_over(gateway) for _ in range(20)))
    assert {outcome.result for _, outcome in found} == {"deferred"}
    assert "cannot be reached" in found[0][1].text
    with SmtpSink(port=sink.port) as back:
        await asyncio.sleep(1.1)
        assert (await hand_over(gateway))[1].result == "sent"
        assert len(back.accepted) == 1
        await gateway.close()


@pytest.mark.parametrize(
    ("answers", "result", "code"),
    [
        ({"greeting": "554 go away"}, "deferred", 554),
        ({"greeting": "421 too busy"}, "deferred", 421),
        ({"greeting": HANG_UP}, "deferred", None),
        ({"greeting": "nonsense"}, "deferred", -1),
        ({"EHLO": "500 what"}, "sent", 250),
        ({"EHLO": "500 what", "HELO": "500 what"}, "deferred", 500),
        ({"MAIL": "550 5.7.1 not you"}, "failed", 550),
        ({"MAIL": "450 4.1.8 not now"}, "deferred", 450),
        ({"MAIL": "421 4.4.2 idle for too long"}, "deferred", 421),
        ({"RCPT": HANG_UP}, "deferred", None),
        ({"RCPT": "nonsense"}, "deferred", None),
        ({"RCPT": "550-5.1.1 No such user\n550 5.1.1 Look elsewhere"}, "bounced", 550),
        ({"DATA": "554 no valid recipients"}, "failed", 554),
        ({"DATA": "451 not now"}, "deferred", 451),
        ({"DATA": HANG_UP}, "deferred", None),
        ({"message": "421 4.3.2 going down"}, "deferred", 421),
        ({"message": "251 forwarded"}, "sent", 251),
        ({"message": HANG_UP}, "unknown", None),
        ({"message": "nonsense"}, "unknown", None),
        ({"message": "354 go on"}, "unknown", None),
        ({"RCPT": "550 5.1.1 no", "RSET": HANG_UP}, "bounced", 550),
        ({"message": "250 taken\n250 and more"}, "sent", 250),
    ],
)
@pytest.mark.parametrize("ehlo", ["250 hello", "250-hello\n250 PIPELINING"])
async def test_whatever_a_server_says(answers: dict[str, str], result: str, code: int | None, ehlo: str) -> None:
    async with scripted(**{"EHLO": ehlo, **answers}) as (place, lines):
        gateway = SmtpGateway(SmtpServer.at(f"smtp://{place}"))
        try:
            _, outcome = await hand_over(gateway)
            assert (outcome.result, outcome.code) == (result, code), outcome
        except HandOverUnknown:
            assert result == "unknown"
        await gateway.close()
    tries = sum("\r\n\r\n" in line for line in lines)
    assert tries == (result in ("sent", "unknown") or "message" in answers), "sent once, and only when it is wanted"


@pytest.mark.parametrize("ehlo", ["250 hello", "250-hello\n250 PIPELINING"])
async def test_nothing_is_sent_to_a_server_that_says_too_much(ehlo: str) -> None:
    """Else an answer would be taken for that to another command."""
    async with scripted(EHLO=ehlo, RCPT="250 fine\n250 and more") as (place, lines):
        gateway = SmtpGateway(SmtpServer.at(f"smtp://{place}"))
        assert (await hand_over(gateway))[1].result == "deferred"
        await gateway.close()
    assert not any("\r\n\r\n" in line for line in lines)


async def test_an_envelope_goes_out_at_once_where_the_server_takes_it() -> None:
    """A server that waits for the next command before it answers is only answered by one that is asked at once."""
    parts: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readline()
        writer.write(b"250-hello\r\n250 pipelining\r\n")
        parts.append(await reader.readuntil(b"DATA\r\n"))
        writer.write(b"250 fine\r\n250 fi")
        await asyncio.sleep(0.05)
        writer.write(b"ne\r\n354-go\r\n354 on\r\n")
        parts.append(await reader.readuntil(b"\r\n.\r\n"))
        writer.write(b"250 taken\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        gateway = SmtpGateway(SmtpServer.at(f"smtp://127.0.0.1:{port}"))
        assert (await hand_over(gateway))[1] == Outcome("sent", 250, "taken")
        await gateway.close()
    assert parts[0] == f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{ANN}>\r\nDATA\r\n".encode()


async def test_the_next_envelope_goes_out_with_a_message_where_the_server_takes_it() -> None:
    """This server answers a message only when the next envelope is there, and closes instead of answering that."""
    parts: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.readline()
        writer.write(b"250-hello\r\n250 PIPELINING\r\n")
        await reader.readuntil(b"DATA\r\n")
        writer.write(b"250 fine\r\n250 fine\r\n354 go on\r\n")
        parts.append(await reader.readuntil(b"\r\n.\r\n"))
        if len(parts) == 1:
            parts.append(await reader.readuntil(b"DATA\r\n"))
        writer.write(b"250 taken\r\n")
        await asyncio.sleep(0.05)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        gateway = SmtpGateway(SmtpServer.at(f"smtp://127.0.0.1:{port}"), connections=1)
        found = await asyncio.gather(hand_over(gateway), hand_over(gateway, "bob@example.org"))
        assert [outcome for _, outcome in found] == [Outcome("sent", 250, "taken")] * 2
        await gateway.close()
    assert parts[1] == f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n".encode()
    assert [found[number][0].encode() in parts[place] for number, place in enumerate((0, 2))] == [True, True]


async def test_only_the_message_is_unknown_and_not_the_next_envelope(sink: SmtpSink) -> None:
    gateway = SmtpGateway(SmtpServer.at(sink.url), connections=1)
    sink.behavior.drop_first = 1
    recipients = [f"c{number}@example.org" for number in range(4)]
    found = await asyncio.gather(*(hand_over(gateway, to) for to in recipients), return_exceptions=True)
    assert isinstance(found[0], HandOverUnknown)
    assert [each[1].result for each in found if isinstance(each, tuple)] == ["sent"] * 3
    assert sink.counts() == dict.fromkeys(recipients, 1)
    assert sink.connection_count == 2
    await gateway.close()


async def test_a_refused_envelope_is_told_of_its_own_message(sink: SmtpSink) -> None:
    gateway = SmtpGateway(SmtpServer.at(sink.url), connections=1)
    sink.behavior.reject = {"c1@example.org", "c2@example.org"}
    found = await asyncio.gather(*(hand_over(gateway, f"c{number}@example.org") for number in range(4)))
    assert [outcome.result for _, outcome in found] == ["sent", "bounced", "bounced", "sent"]
    assert (set(sink.counts()), sink.connection_count) == ({"c0@example.org", "c3@example.org"}, 1)
    await gateway.close()


async def test_a_message_that_is_cancelled_when_its_envelope_is_out_does_not_follow(sink: SmtpSink) -> None:
    gateway = SmtpGateway(SmtpServer.at(sink.url), connections=1)
    sink.behavior.delay_seconds = 0.5
    tasks = [asyncio.create_task(hand_over(gateway, f"c{number}@example.org")) for number in range(3)]
    await asyncio.sleep(0.25)
    assert sink.counts() == {"c0@example.org": 1}, "the others wait for the answer to this one"
    tasks[1].cancel()
    assert [(await tasks[number])[1].result for number in (0, 2)] == ["sent", "sent"]
    assert sink.counts() == dict.fromkeys(["c0@example.org", "c2@example.org"], 1)
    await gateway.close()


@pytest.mark.parametrize("refused", ["MAIL", "RCPT"])
async def test_a_message_that_is_wanted_without_its_envelope_is_not_sent(refused: str) -> None:
    """Such a server takes whatever follows as the message (RFC 2920, section 3.1)."""
    answers = {"EHLO": "250-hello\n250 PIPELINING", refused: "550 5.1.1 no"}
    async with scripted(**answers) as (place, lines):
        gateway = SmtpGateway(SmtpServer.at(f"smtp://{place}"))
        for _ in range(2):
            assert (await hand_over(gateway))[1].code == 550
        await gateway.close()
    assert not any("\r\n\r\n" in line for line in lines)
    assert [line.split()[0] for line in lines].count("EHLO") == 2, "that connection is of no more use"


async def test_a_server_that_wants_commands_one_by_one_gets_them_so() -> None:
    with SmtpSink(pipelining=False) as old:
        gateway = SmtpGateway(SmtpServer.at(old.url))
        old.behavior.reject = {"bob@example.org"}
        assert (await hand_over(gateway, "bob@example.org"))[1].result == "bounced"
        assert (await hand_over(gateway))[1].result == "sent"
        assert old.connection_count == 1
        await gateway.close()


NO_ADDRESSES = ["a\r\nRCPT TO:<x@y.example>", "no address", "a@b@c.example", "<a@b.example>", "a@" + "x" * 70]


@pytest.mark.parametrize("address", NO_ADDRESSES)
async def test_an_address_that_is_none_is_never_sent(sink: SmtpSink, gateway: SmtpGateway, address: str) -> None:
    _, message = mail()
    assert (await gateway.hand_over(message, SENDER, address, soon())).result == "failed"
    assert (await gateway.hand_over(message, address, ANN, soon())).result == "failed"
    assert sink.connection_count == 0


async def test_addresses_beyond_ascii(sink: SmtpSink, gateway: SmtpGateway) -> None:
    _, message = mail()
    assert (await gateway.hand_over(message, SENDER, "ann@bücher.example", soon())).result == "sent"
    assert (await gateway.hand_over(message, SENDER, "änn@example.org", soon())).result == "sent"
    assert set(sink.counts()) == {"ann@xn--bcher-kva.example", "änn@example.org"}
    with SmtpSink(smtputf8=False) as plain:
        old = SmtpGateway(SmtpServer.at(plain.url))
        assert (await old.hand_over(message, SENDER, "änn@example.org", soon())).result == "failed"
        assert (await old.hand_over(message, SENDER, ANN, soon())).result == "sent"
        await old.close()


async def test_among_all_faults_every_message_is_told_truly(sink: SmtpSink, gateway: SmtpGateway) -> None:
    """Tries go on until each message has an end; none arrives twice, and what is unknown was dropped."""
    behavior = sink.behavior
    behavior.later_rate, behavior.drop_rate, behavior.reject = 0.3, 0.05, {"c7@example.org"}
    behavior.chance = random.Random(7)
    ends: dict[str, str] = {}

    async def deliver(number: int) -> None:
        recipient = f"c{number}@example.org"
        message_id, message = mail(to=recipient)
        result = "deferred"
        while result == "deferred":
            try:
                result = (await gateway.hand_over(message, SENDER, recipient, soon())).result
            except HandOverUnknown:
                result = "unknown"
        ends[recipient] = result
        assert sink.received(message_id) == (result in ("sent", "unknown"))

    await asyncio.gather(*(deliver(number) for number in range(300)))
    assert ends.pop("c7@example.org") == "bounced"
    assert set(ends.values()) == {"sent", "unknown"}
    assert sink.counts() == dict.fromkeys(ends, 1)
