"""A feed is worked on in blocks of whole lines, wherever the network cut it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers import analytics

LINES = st.lists(st.text("abc,019", min_size=1, max_size=12), max_size=30)


async def _pieces(text: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        yield text[start:end]


async def _gathered(text: bytes, cuts: list[int]) -> list[tuple[list[str], bytes]]:
    return [block async for block in analytics._blocks(_pieces(text, cuts))]


@given(LINES, st.lists(st.integers(0, 10_000), max_size=40), st.integers(1, 60))
def test_blocks_hold_whole_lines_wherever_the_stream_was_cut(lines: list[str], cuts: list[int], size: int) -> None:
    body = "".join(f"{line}\n" for line in lines).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(analytics, "_BLOCK_BYTES", size)
        blocks = asyncio.run(_gathered(b"one,two\n" + body, cuts))
    assert b"".join(text for _, text in blocks) == body
    assert all(columns == ["one", "two"] and text.endswith(b"\n") for columns, text in blocks)


def test_a_feed_of_nothing_has_no_block() -> None:
    assert asyncio.run(_gathered(b"", [])) == []
    assert asyncio.run(_gathered(b"one,two\n", [3])) == []
