"""The door refuses what parsers let through, and says where."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.json_door import DEEPEST, admit, read_tree
from crm_api.core.problems import InvalidJson, InvalidRequest

TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(TREES)
def test_what_is_good_json_passes_unchanged(tree: object) -> None:
    assert read_tree(json.dumps(tree).encode()) == tree


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a":1,}',
        b'{"a" 1}',
        b"nul",
        b'"\xff"',
        b"\xfe\xff\x00{",
        b'{"a":NaN}',
        b"[Infinity]",
        b"-Infinity",
    ],
)
def test_what_is_no_json_is_a_400(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        admit(body)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b'{"a":1,"a":2}', "/a", "duplicate-key"),
        (b'{"x":[{"b~/c":1,"b~/c":1}]}', "/x/0/b~0~1c", "duplicate-key"),
        (b'{"n":123456789012345678901234567890}', "/n", "number-too-large"),
        (b'{"n":[0,1e999]}', "/n/1", "number-too-large"),
        (b'{"t":"a\\u0000b"}', "/t", "unstorable-text"),
        (b'{"t":["\\ud800"]}', "/t/0", "unstorable-text"),
        (b'{"a\\u0000":1}', "", "unstorable-text"),
        (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "", "too-deep"),
        (b"[" * 100_000, "", "too-deep"),
    ],
)
def test_what_cannot_be_kept_is_a_422_with_a_pointer(body: bytes, pointer: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        admit(body)
    assert [(found["pointer"], found["code"]) for found in refused.value.errors] == [(pointer, code)]


def test_brackets_in_text_do_not_count_as_depth() -> None:
    assert read_tree(json.dumps({"t": "[" * 500 + '\\"{'}).encode()) == {"t": "[" * 500 + '\\"{'}
