"""Stable random numbers: known ones, spread evenly, shuffled by their name; test_meaning holds SQL to the same."""

from collections import Counter
from uuid import UUID

from crm_api.audience.buckets import bucket_of

PEOPLE = [UUID(int=number) for number in range(10_000)]


def test_a_number_never_changes() -> None:
    nobody = UUID(int=0)
    assert [bucket_of("spring", 100, nobody), bucket_of("spring test", 100, nobody)] == [59, 6]
    assert bucket_of("grün", 1_000_000, UUID("01980c2e-7b1c-7a52-9c0e-4d1f5b8f3a10")) == 507_677


def test_buckets_are_of_one_size() -> None:
    sizes = Counter(bucket_of("spring", 10, each) for each in PEOPLE)
    assert set(sizes) == set(range(10))
    assert all(850 < size < 1150 for size in sizes.values())


def test_another_name_shuffles_anew() -> None:
    first = {each for each in PEOPLE if bucket_of("spring", 10, each) == 0}
    both = {each for each in first if bucket_of("summer", 10, each) == 0}
    assert 60 < len(both) < 140
