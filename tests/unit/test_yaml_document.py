"""What an admin may write in a YAML file, and what they are told when they may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_mfa import yaml_document
from idp_mfa.yaml_document import Place, Problems, place, plain, read


def wrong(text: str) -> list[str]:
    answer = read(text, "site.yaml")
    assert isinstance(answer, Problems), f"was read: {answer}"
    return [str(problem) for problem in answer]


def right(text: str) -> yaml_document.Node:
    answer = read(text, "site.yaml")
    assert not isinstance(answer, Problems), str(answer)
    return answer


def test_values_are_what_people_see() -> None:
    text = """
    country: no
    answer: yes
    switch: on
    mode: 0644
    time: 12:30
    day: 2026-11-01
    network: 2001:db8:1::/48
    on_: true
    off_: false
    nothing: ~
    empty:
    five: 5
    minus: -7
    half: 0.5
    quoted: "5"
    huge: 123456789012345678901234567890
    list: [a, {b: c}]
    """
    assert plain(right(text)) == {
        "country": "no",
        "answer": "yes",
        "switch": "on",
        "mode": "0644",
        "time": "12:30",
        "day": "2026-11-01",
        "network": "2001:db8:1::/48",
        "on_": True,
        "off_": False,
        "nothing": None,
        "empty": None,
        "five": 5,
        "minus": -7,
        "half": 0.5,
        "quoted": "5",
        "huge": "123456789012345678901234567890",
        "list": ["a", {"b": "c"}],
    }


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(text: str) -> None:
    assert plain(right(text)) in ({}, None)


def test_a_place_is_that_of_the_key_or_of_the_nearest_thing_above() -> None:
    node = right("a: 1\nzones:\n  campus:\n    networks:\n      - x\n      - y\n")
    assert place(node, ()) == Place("site.yaml", 1, 1)
    assert place(node, ("zones", "campus")) == Place("site.yaml", 3, 3)
    assert place(node, ("zones", "campus", "networks", 1)) == Place("site.yaml", 6, 9)
    assert place(node, ("zones", "vpn", "networks")) == Place("site.yaml", 2, 1)
    assert place(node, ("a", "b")) == Place("site.yaml", 1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "site.yaml:3:1: `a` stands here twice, first in line 1"),
        ("a: {b: 1, 'b': 2}\n", "site.yaml:1:11: `b` stands here twice, first in line 1"),
        ("5: a\n", "site.yaml:1:1: `5` is no text"),
        ("true: a\n", "site.yaml:1:1: `true` is no text"),
        ("? [a]\n: b\n", "site.yaml:1:3: a collection is no text"),
        ("a: !!python/object:os.system x\n", "site.yaml:1:4: tags"),
        ("a: !secret x\n", "site.yaml:1:4: tags"),
        ("a: &x 1\n", "site.yaml:1:4: `&x`: anchors"),
        ("a: &x [1]\nb: *x\n", "site.yaml:1:4: `&x`: anchors"),
        ("a: 1\n---\nb: 2\n", "site.yaml:2:1: a second document"),
        ("a: [1\n", "site.yaml:"),
        ("a: b: c\n", "site.yaml:1:5: this is no YAML"),
        ("\ta: 1\n", "site.yaml:1:1: this is no YAML"),
        ("a: \x00\n", "site.yaml:1:1: holds characters"),
        ("a: \ud800\n", "site.yaml:1:1: holds characters"),
        ("[" * 40 + "]" * 40, "site.yaml:1:33: nested deeper than 32 levels"),
    ],
)
def test_what_is_refused_is_named_with_its_place(text: str, said: str) -> None:
    assert wrong(text)[0].startswith(said)


def test_a_mapping_after_a_key_without_text_keeps_its_other_keys() -> None:
    assert wrong("1: a\n2: b\nc: d\nc: e\n") == [
        "site.yaml:1:1: `1` is no text and cannot be a key; quote it",
        "site.yaml:2:1: `2` is no text and cannot be a key; quote it",
        "site.yaml:4:1: `c` stands here twice, first in line 3",
    ]


def test_an_expansion_bomb_is_refused_unexpanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    assert "anchors are not used here" in wrong("\n".join(lines))[0]


def test_a_very_deep_document_is_refused_without_exhausting_the_stack() -> None:
    assert "nested deeper" in wrong("[" * 100_000)[0]


def test_a_file_too_long_is_refused_unread() -> None:
    assert "longer than" in wrong("a" * (yaml_document.MAX_CHARACTERS + 1))[0]


@given(
    st.text(alphabet=st.characters(), max_size=60) | st.text("[]{}:,-&*!?|>'\"# \nab1", max_size=60)
)
def test_every_text_is_either_read_or_refused_in_words(text: str) -> None:
    answer = read(text, "f")
    if isinstance(answer, Problems):
        assert answer.found
        assert all(p.message and p.line >= 1 and p.column >= 1 for p in answer)
    else:
        plain(answer)
