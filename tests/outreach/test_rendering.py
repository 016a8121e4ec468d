"""Templates: what they may say, what they come out as, and that nothing they do costs more than it may."""

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from crm_api.outreach.rendering import (
    HTML_LONGEST,
    Limits,
    Rendered,
    RenderRefused,
    check,
    faults,
    render,
    rewrite_links,
)

VARIABLES: dict[str, Any] = {
    "customer": {
        "display_name": "Ann Lee",
        "given_name": "Ann",
        "family_name": None,
        "organization_name": "   ",
        "language": "de-AT",
        "custom": {"points": 12, "vip": False, "rate": 0.5, "since": "2026-02-01", "note": "one\ntwo"},
    },
    "offer": {
        "code": "BELL",
        "title": "A bell",
        "url": "https://shop.example/bells?a=1&b=2",
        "valid_until": "2026-02-01T00:00:00Z",
    },
    "campaign": {"name": "Spring", "code": "spring"},
    "sender": {"name": "The shop", "address": "1 Main Street"},
    "unsubscribe_url": "https://crm.example/p/unsubscribe/abc",
}


def rendered(text: str = "x", *, subject: str = "Hello", html: str | None = None, **variables: Any) -> Rendered:
    """Render with the variables above, some of them replaced."""
    return render({"subject": subject, "text": text, "html": html}, {**VARIABLES, **variables})


def refused(text: str = "x", *, subject: str = "Hello", html: str | None = None, **variables: Any) -> RenderRefused:
    """Answer why it is refused."""
    with pytest.raises(RenderRefused) as caught:
        rendered(text, subject=subject, html=html, **variables)
    return caught.value


def test_all_three_parts_are_rendered() -> None:
    made = rendered(
        "Dear {{ customer.given_name }},\n{{ offer.title }}: {{ offer.url }}\n",
        subject="{{ offer.title }} for {{ customer.given_name }}",
        html="<p>Dear {{ customer.given_name }}</p><a href='{{ offer.url }}'>{{ offer.title }}</a>",
    )
    assert made == Rendered(
        "A bell for Ann",
        "Dear Ann,\nA bell: https://shop.example/bells?a=1&b=2\n",
        "<p>Dear Ann</p><a href='https://shop.example/bells?a=1&amp;b=2'>A bell</a>",
    )
    assert rendered().html is None


def test_check_answers_the_variables() -> None:
    html = "{% assign points = customer.custom.points %}<b>{{ points | plus: customer.custom.more }}</b>"
    used = check("{{ offer.title }}", "{% if customer.given_name %}x{% endif %} {{ unsubscribe_url }}", html)
    names = {"offer.title", "customer.given_name", "unsubscribe_url", "customer.custom.points", "customer.custom.more"}
    assert used == names
    assert check("Hello", "World", None) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "{{ customer.family_name }}",
        "{{ customer.organization_name }}",
        "{{ customer.custom.nothing }}",
        "{{ customer.family_name | upcase }}",
        "{{ 'Dear ' | append: customer.family_name }}",
        "{{ customer.custom.points | plus: customer.custom.nothing }}",
        "{% assign name = customer.family_name %}{{ name }}",
        "{% capture name %}{{ customer.family_name }}{% endcapture %}",
        "{% for i in (1..customer.custom.nothing) %}x{% endfor %}",
        "{% for word in customer.family_name %}x{% endfor %}",
        "{{ customer.family_name | default: customer.custom.nothing }}",
        "{{ customer.family_name | size }}",
        "{{ '' | split: ',' | first }}",
        "{% if false %}{% assign late = 'x' %}{% endif %}{{ late }}",
    ],
)
def test_what_is_missing_or_empty_is_refused(text: str) -> None:
    why = refused(text)
    assert (why.code, why.part, why.line) == ("variable-missing", "text", 1)


def test_the_refusal_names_variable_and_place_and_no_value() -> None:
    why = refused("Dear {{ customer.given_name }}\n\n{{ customer.family_name }}")
    assert str(why).startswith("text, line 3: customer.family_name is missing or empty")
    assert "Ann" not in str(why)
    assert refused("{{ offer.title }}", offer=None).code == "variable-missing"
    doing = refused("\n{{ customer.display_name | plus: 1 }}")
    assert str(doing) == "text, line 2: a number is needed"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{{ customer.family_name | default: 'friend' | upcase }}", "FRIEND"),
        ("{{ customer.family_name | default: '' }}.", "."),
        ("{{ customer.family_name | default: customer.given_name }}", "Ann"),
        ("{% if customer.family_name %}a{% else %}b{% endif %}", "b"),
        ("{% if customer.family_name == blank %}a{% endif %}", "a"),
        ("{% if customer.family_name != blank %}a{% endif %}.", "."),
        ("{% if customer.family_name == '' and customer.organization_name == empty %}a{% endif %}", "a"),
        ("{% if customer.family_name == nil or customer.given_name == 'Bob' %}a{% endif %}", "a"),
        ("{% if customer.family_name == 'Lee' %}a{% elsif customer.given_name == 'Ann' %}b{% endif %}", "b"),
        ("{% unless customer.family_name %}a{% endunless %}", "a"),
        ("{% unless customer.family_name == blank %}a{% else %}b{% endunless %}", "b"),
        ("{% if customer.family_name contains 'e' %}a{% endif %}.", "."),
        ("{% if customer.given_name contains 'n' %}a{% endif %}", "a"),
        ("{% if customer.custom.points >= 10 %}a{% endif %}", "a"),
        ("{% if customer.custom.nothing >= 10 %}a{% endif %}.", "."),
        ("{% case customer.language %}{% when 'de', 'de-AT' %}Hallo{% else %}Hello{% endcase %}", "Hallo"),
        ("{% case customer.family_name %}{% when 'Lee' %}a{% else %}b{% endcase %}", "b"),
        ("{% case 1 %}{% when 1, 1, 1 %}once{% endcase %}", "once"),
        ("{{ customer.custom.vip }} {{ customer.custom.points }} {{ customer.custom.rate }}", "false 12 0.5"),
        ("{{ customer.custom.vip | default: 'no' }}", "no"),
        ("{{ customer.custom.vip | default: 'no', allow_false: true }}", "false"),
        ("{% for i in (1..3) %}{{ i }}{% unless forloop.last %}, {% endunless %}{% endfor %}", "1, 2, 3"),
        ("{% for i in (1..9) reversed limit: 2 offset: 1 %}{{ i }}{% endfor %}", "32"),
        ("{% for i in (1..3) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13"),
        ("{% for i in (1..9) %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "123"),
        ("{% for i in (2..1) %}a{% else %}none{% endfor %}", "none"),
        ("{% assign w = 'a b c' | split: ' ' %}{{ w | join: '-' }}{{ w | last }}{{ w | size }}", "a-b-cc3"),
        ("{% comment %}{{ nothing }}{% endcomment %}{% # so %}a", "a"),
        ("{{ offer.valid_until | date: '%-d %B %Y' }}", "1 February 2026"),
        ("{{ customer.custom.since | date: '%d.%m.%y, 100%%' }}", "01.02.26, 100%"),
        ("{{ 'a-b-c' | replace: '-', '+' }} {{ 'a-b-c' | replace_first: '-', '' }}", "a+b+c ab-c"),
        ("{{ 'a-b-c' | remove: '-' }} {{ 'a-b-c' | remove_first: '-' }}", "abc ab-c"),
        ("{{ 'abcdef' | truncate: 5 }} {{ 'a b c' | truncatewords: 2, '!' }}", "ab... a b!"),
        ("{{ 'abcdef' | slice: -3, 2 }}{{ 'abcdef' | slice: 1 }}", "deb"),
        ("{{ 7 | divided_by: 2 }} {{ 7 | divided_by: 2.0 }} {{ 7 | modulo: 4 }}", "3 3.5 3"),
        ("{{ '0.1' | plus: 0.2 }} {{ '5' | divided_by: 2 }} {{ -7.5 | modulo: 2 }}", "0.3 2 0.5"),
        ("{{ 2.5 | round }} {{ 1.005 | round: 2 }} {{ 1.2 | ceil }} {{ 1.8 | floor }} {{ -3 | abs }}", "3 1.01 2 1 3"),
        ("{{ 3 | at_least: 5 }}{{ 3 | at_most: 1 }}{{ 4 | times: 2 | minus: 1 }}", "517"),
        ("{{ 'ß & <' | escape }} {{ ' a  b ' | squish }} {{ 'a b/ä' | url_encode }}", "ß &amp; &lt; a b a+b%2F%C3%A4"),
        ("{{ 'aB' | upcase }}{{ 'aB' | downcase }}{{ 'aB' | capitalize }}", "ABabAb"),
    ],
)  # fmt: skip
def test_what_templates_can_say(text: str, wanted: str) -> None:
    assert rendered(text).text == wanted


@pytest.mark.parametrize(
    ("source", "line", "told"),
    [
        ("a\n{{ customer.gven_name }}", 2, "did you mean customer.given_name?"),
        ("{{ nobody }}", 1, "there is no variable nobody"),
        ("{{ customer }}", 1, "there is no variable customer"),
        ("{{ customer.custom }}", 1, "there is no variable customer.custom"),
        ("{{ customer.display_name.size }}", 1, "there is no variable"),
        ("{{ customer[offer.code] }}", 1, "there is no variable"),
        ("{{ customer.__class__ }}", 1, "there is no variable"),
        ("{{ now }}", 1, "there is no variable now"),
        ("{{ late }}{% assign late = 1 %}", 1, "there is no variable late"),
        ("{{ 'a' | upcas }}", 1, "did you mean upcase?"),
        ("{{ 'a' | safe }}", 1, "there is no filter safe"),
        ("{{ 'a' | upcase: 1 }}", 1, "upcase takes no values"),
        ("{{ 'a' | replace }}", 1, "replace takes 1 to 2 values"),
        ("{{ 'a' | append: x: 'b' }}", 1, "append takes 1 value"),
        ("{{ 'a' | default }}", 1, "default takes one value"),
        ("{{ 'a' | date: '%Q' }}", 1, "date cannot write this format"),
        ("{{ (1..3) }}", 1, "a range can only be looped over"),
        ("{% if (1..3) contains 'x' %}{% endif %}", 1, "a range can only be looped over"),
        ("a\n\n{% include 'x' %}", 3, "unexpected tag 'include'"),
        ("{% render 'x' %}", 1, "unexpected tag 'render'"),
        ("{% tablerow i in (1..2) %}{% endtablerow %}", 1, "unexpected tag 'tablerow'"),
        ("{% liquid assign a = 1 %}", 1, "unexpected tag 'liquid'"),
        ("{% raw %}{{ x }}{% endraw %}", 1, "unexpected tag 'raw'"),
        ("{%- doc -%}x{% enddoc %}", 1, "unexpected tag 'doc'"),
        ("{% assign customer = 'x' %}", 1, "customer is given"),
        ("{% capture unsubscribe_url %}x{% endcapture %}", 1, "unsubscribe_url is given"),
        ("{% for offer in (1..2) %}{% endfor %}", 1, "offer is given"),
        ("a{% break %}", 1, "outside of a loop"),
        ("{% if true %}\n", 2, "expected tag endif"),
        ("{% for i in (1..2) %}\n\nx", 3, "expected tag endfor"),
        ("\n{{ customer.given_name", 2, "is not closed"),
        ("{% if", 1, "is not closed"),
        ("{{ }}", 1, "expected"),
        ("{{ 'a' 'b' }}", 1, "expected"),
        ("{% if a == %}{% endif %}", 1, "expected"),
        ("{% if customer.given_name %}{% else %}{% else %}{% endif %}", 1, "expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_when_it_is_saved(source: str, line: int, told: str) -> None:
    with pytest.raises(RenderRefused) as caught:
        check("Hello", source, None)
    why = caught.value
    assert (why.code, why.part, why.line) == ("template-invalid", "text", line), str(why)
    assert told in why.detail
    assert refused(source).code == "template-invalid", "a worker refuses it too"


def test_all_parts_are_looked_at() -> None:
    found = faults({"subject": "{{ a }}", "text": "{{ b }}\n{{ c | nothing }}", "html": "{% if %}"})
    assert [f"{each.part} {each.line}" for each in found] == ["subject 1", "text 1", "text 2", "text 2", "html 1"]
    assert faults({"subject": "a", "text": "b"}) == []


@pytest.mark.parametrize(
    "html",
    [
        "<a href={{ offer.url }}>x</a>",
        "<a href='{{ customer.custom.page }}'>x</a>",
        "<a href=' {{ customer.custom.page | downcase }}'>x</a>",
        "<img src='{{ customer.custom.picture }}'>",
        "<p onclick='f({{ customer.custom.points }})'>x</p>",
        "<p {{ customer.custom.note }}>x</p>",
        "<{{ offer.title }}>",
        "</{{ offer.title }}>",
        "<b{{ offer.title }}>x",
        "<script>var name = '{{ customer.given_name }}'</script>",
        "<style>p { color: {{ customer.custom.color }} }</style>",
        "<p class=a title={{ offer.title }}>x</p>",
        "<{% if true %}{{ offer.title }}{% endif %}>",
    ],
)
def test_values_do_not_stand_in_html_where_escaping_does_not_help(html: str) -> None:
    with pytest.raises(RenderRefused) as caught:
        check("Hello", "x", "<p>\n" + html)
    assert (caught.value.part, caught.value.line) == ("html", 2), str(caught.value)


@pytest.mark.parametrize(
    "html",
    [
        "<a href='{{ offer.url }}' title=\"{{ offer.title }}\"class='{{ campaign.code }}'>{{ offer.title }}</a>",
        '<a href="{{ unsubscribe_url }}"><img src="https://shop.example/{{ offer.code | url_encode }}.png"></a>',
        "<a {% if offer.url %}href='{{ offer.url }}'{% endif %}>x</a>",
        "<p style='color: {{ customer.custom.color }}'>x</p><!-- {{ offer.title }} -->",
        "<script>f()</script>{% comment %}<p {{ x }}>{% endcomment %}<td width={% if true %}100{% endif %}>",
    ],
)
def test_values_may_stand_in_text_and_quoted_attributes(html: str) -> None:
    assert faults({"subject": "x", "text": "x", "html": html}) == []


def test_html_is_escaped_and_text_is_not() -> None:
    customer = {"given_name": "<b>Ann & \"'</b>"}
    made = rendered("{{ customer.given_name }}", html="<p>{{ customer.given_name }}</p>", customer=customer)
    assert made.text == customer["given_name"]
    assert made.html == "<p>&lt;b&gt;Ann &amp; &#34;&#39;&lt;/b&gt;</p>"


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        ("{{ '<br>' }}", "&lt;br&gt;"),
        ("{{ customer.given_name | append: '<br>' }}", "&lt;i&gt;&lt;br&gt;"),
        ("{{ customer.given_name | escape }}", "&lt;i&gt;"),
        ("{{ customer.given_name | escape | replace: '&lt;', '<' }}", "&lt;i&amp;gt;"),
        ("{{ '%3Cb%3E' | append: customer.given_name | url_encode }}", "%253Cb%253E%3Ci%3E"),
        ("{{ 'a\n' | append: customer.given_name | newline_to_br }}", "a<br>\n&lt;i&gt;"),
        ("{% capture x %}<b>{{ customer.given_name }}</b>{% endcapture %}{{ x }}", "<b>&lt;i&gt;</b>"),
        ("{% capture x %} <b>{% endcapture %}{{ x | strip | append: customer.given_name }}", "<b>&lt;i&gt;"),
        ("{% capture x %}<b>{% endcapture %}{{ customer.given_name | append: x }}", "&lt;i&gt;<b>"),
        ("{% capture x %}<b>{% endcapture %}{{ x | replace: '<b>', customer.given_name }}", "&lt;i&gt;"),
        ("{% capture x %}<b>{% endcapture %}{{ x | slice: 0, 2 }}", "&lt;b"),
        ("{% capture x %}<i>{% endcapture %}{{ customer.given_name | split: ' ' | join: x }}", "&lt;i&gt;"),
    ],
)  # fmt: skip
def test_only_a_capture_makes_html(html: str, wanted: str) -> None:
    assert rendered(html=html, customer={"given_name": "<i>"}).html == wanted


def test_a_capture_does_not_end_inside_of_a_tag() -> None:
    html = "{% capture x %}<{% endcapture %} and {{ x }}{{ customer.given_name }}"
    assert refused(html=html).detail.startswith("a capture ends inside of a tag")


class Tags(HTMLParser):
    """Lists the tags, with the names of their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("/" + tag, []))

    def handle_comment(self, data: str) -> None:
        self.found.append(("!", []))


HOSTILE_PARTS = (
    *("<script>", "</p>", "<b x=y>", "'", '"', ">", "<", "&lt;", "&#60;", "-->", "<!--", " onclick=f()", "%3C", "\\"),
    *("{{ x }}", "{% if %}", "=?utf-8?q?=0A?=", "Bcc: x@y.example", "\x00", "\r\n", "\n\n", "\u2028", "\u202e", "é"),
)
HOSTILE = st.lists(st.sampled_from(HOSTILE_PARTS) | st.text(max_size=5), min_size=1, max_size=6).map("".join)
MIXED = (
    "{% assign name = customer.given_name %}"
    "<p title=\"{{ name }}\" class='{{ name | upcase }}'>{{ name }}</p>{{ name | newline_to_br }}<!-- {{ name }} -->"
    "{% capture x %}<b>{{ name | truncate: 9 }}</b>{% endcapture %}{{ x }}{{ x | strip }}{{ x | slice: 2, 9 }}"
    "<a href='{{ offer.url }}'>{{ name | escape | remove: ';' }}</a>{{ name | split: '' | join: '' | append: name }}"
)


@given(HOSTILE)
def test_no_value_adds_a_tag(value: str) -> None:
    """Whatever text a customer has, the HTML has the tags of the template."""
    assume(value.strip())
    made, plain = (rendered(html=MIXED, customer={"given_name": name}).html or "" for name in (value, "Ann"))
    assert Tags(made.replace("<br>\n", "")).found == Tags(plain).found


@given(HOSTILE)
def test_no_value_adds_a_line_to_the_subject(value: str) -> None:
    try:
        made = rendered(subject="Dear {{ customer.given_name }}", customer={"given_name": value})
    except RenderRefused as why:
        assert why.code == ("header-injection" if value.strip() else "variable-missing")
        assert value.strip() not in str(why) or len(value.strip()) < 3
    else:
        assert len(f"{made.subject} ".splitlines()) == 1


@pytest.mark.parametrize("value", ["a\nBcc: x@y.example", "a\r\n\r\n<p>", "a\x00", "a\u2028b", "a\x85b", "a\x7f"])
def test_a_subject_never_gets_a_second_line(value: str) -> None:
    why = refused(subject="Dear {{ customer.given_name }}", customer={"given_name": value})
    assert (why.code, why.part) == ("header-injection", "subject")
    with pytest.raises(RenderRefused, match="one line"):
        check(f"Dear {value}", "x", None)


def test_a_subject_is_neither_empty_nor_endless() -> None:
    assert refused(subject="{{ customer.family_name | default: '' }}").code == "variable-missing"
    assert refused(subject="{{ offer.title }}", offer={"title": "a" * 501}).code == "output-too-long"
    assert rendered(subject=" {{ offer.title }} ").subject == "A bell"


def test_half_a_character_is_refused() -> None:
    assert refused("{{ offer.title }}", offer={"title": "\ud83d"}).code == "template-invalid"


LOOP = "{% for i in (1..999) %}"
DOUBLING = "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40 + "{{ a | size }}"
BOMBS = {
    "nested loops": LOOP * 5 + "x" + "{% endfor %}" * 5,
    "silent nested loops": LOOP * 5 + "{% assign a = i %}" + "{% endfor %}" * 5,
    "loops side by side": (LOOP + "{% endfor %}") * 50,
    "huge range": "{% for i in (1..99999999999) %}{% endfor %}",
    "huge range backwards": "{% for i in (1..99999999999) reversed %}{% endfor %}",
    "range beyond all bounds": "{% for i in (1..99999999999999999999999999) limit: 2 %}{% endfor %}",
    "range of a value": "{% for i in (1..customer.custom.huge) %}{% endfor %}",
    "heavy loop": LOOP + "{% if true %}{% if i == 1 %}{% endif %}{% endif %}" * 300 + "{% endfor %}",
    "loop of literals": LOOP + "{% if true %}{% endif %}" * 490 + "{% endfor %}",
    "doubling": DOUBLING,
    "doubling captures": "{% assign a = 'xxxxxxxxxx' %}"
    + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 40
    + "{{ a | size }}",
    "doubling in a loop": "{% assign a = 'xx' %}" + LOOP + "{% assign a = a | append: a %}{% endfor %}",
    "many names": "{% assign a = 'x' %}"
    + "{% assign a = a | append: a %}" * 17
    + "".join(f"{{% assign a{n} = a %}}" for n in range(100)),
    "replace of nothing": "{% assign a = 'xxxxxxxxxxxxxxxxxxxx' %}" + "{% assign a = a | replace: '', a %}" * 20,
    "replace": "{% assign a = 'xxxxxxxxxxxxxxxxxxxx' %}" + "{% assign a = a | replace: 'x', a %}" * 20 + "{{ a }}",
    "join": "{% assign a = 'x' %}"
    + "{% assign a = a | append: a %}" * 14
    + "{% assign b = a | slice: 0, 9000 | split: '' | join: a %}",
    "split": "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 15 + "{% assign b = a | split: '' %}",
    "output": "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 17 + "{{ a }}" * 100,
    "numbers": "{% assign a = 99999999 %}" + "{% assign a = a | times: a %}" * 40 + "{{ a }}",
    "tiny numbers": "{{ '1e-999999999' | plus: 1 }}",
    "large numbers": "{{ '9e999999999' | round }}",
    "digits": "{{ 1.5 | round: 999999999 | times: '9e17' }}",
    "division": "{{ 1 | divided_by: 0 }}",
    "many filters": "{% assign a = 'x' %}"
    + "{% assign a = a | append: a %}" * 19
    + ("{{ a" + " | upcase" * 100 + " | size }}") * 100,
    "repeated choices": ("{% case 1 %}{% when 1" + ",1" * 400 + " %}") * 15 + "x" + "{% endcase %}" * 15,
    "deep blocks": "{% if true %}" * 300 + "{% endif %}" * 300,
    "deep conditions": "{% if " + "1 or " * 190 + "1 %}" + "{% endif %}",
    "deep paths": "{{ a" + "[a" * 300 + "]" * 300 + " }}",
    "spaces": "{{" + " " * 90_000,
    "spaces within": ("{{" + " " * 900 + "1 }}") * 90,
    "openings": "{{" * 40_000,
    "openings of tags": "{%" * 40_000,
    "raw": "{% raw %}" * 9_000,
    "comments": "{% comment %}" * 900 + "{% endcomment %}",
    "brackets": "{{ " + "(" * 900 + " }}",
    "many variables": "{{ offer.title }}" * 1_001,
    "too long": "x" * 100_001,
}
HARMLESS = ("deep conditions", "repeated choices")
"""Cheap after all."""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_in_good_time(name: str) -> None:
    began = time.process_time()
    code = "rendered"
    try:
        rendered(BOMBS[name], customer={"custom": {"huge": 10**12}})
    except RenderRefused as why:
        code = why.code
    took = time.process_time() - began
    assert (code == "rendered") == (name in HARMLESS), code
    assert took < 1.5, f"{name} took {took:.1f} s"


def test_the_time_limit_counts_the_processors_time() -> None:
    text = "{% assign a = 'x' %}" + "{% assign a = a | append: a %}" * 18
    text += "{% for i in (1..900) %}{% assign b = a | replace: 'x', 'y' | replace: 'y', 'x' | upcase %}{% endfor %}"
    limits = Limits(steps=10**9, seconds=0.05)
    began = time.process_time()
    with pytest.raises(RenderRefused) as caught:
        render({"subject": "x", "text": text}, VARIABLES, limits)
    assert caught.value.code == "template-too-slow"
    assert time.process_time() - began < 1


MARKUP_BOMBS = (
    "<!--",
    "<!",
    "<?",
    "<![",
    "</",
    "<a ",
    "<a href=",
    "<a b='",
    '<a b="',
    "<a/",
    "<script>",
    "</a ",
    "<b",
    "<",
)


@pytest.mark.parametrize("piece", MARKUP_BOMBS)
def test_no_html_is_slow_to_read(piece: str) -> None:
    html = piece * (HTML_LONGEST // len(piece))
    began = time.process_time()
    found = faults({"subject": "x", "text": "x", "html": html})
    assert rewrite_links(html, lambda url: url) == html
    took = time.process_time() - began
    assert took < 1, f"{piece} took {took:.1f} s"
    assert all("not closed" in each.detail for each in found)
    assert bool(found) == (piece not in ("<", "<script>")), "a lone sign is text, and a script may go on to the end"


def test_what_is_not_closed_is_told_with_its_line() -> None:
    html = "<p>\n{% comment %}\n<b {{ x }} {% endcomment %}{% if\ntrue %}{{ offer.title }}\n<!-- a {% endif %}> b"
    [fault] = faults({"subject": "x", "text": "x", "html": html})
    assert (fault.line, fault.part) == (5, "html")
    assert "is not closed" in fault.detail


@pytest.mark.parametrize(
    "html",
    [
        "<!DOCTYPE html><!--[if mso]><table><![endif]--><![if !mso]><p>{{ offer.title }}</p><![endif]>",
        "<![foo[ {{ offer.title }}]]><p>x</p>",
        "<![ % ><?xml version='1.0'?><o:p>&nbsp;</o:p>",
        "<a title='a > b' href='{{ offer.url }}'\tclass=x/>1 < 2 <3 </a >",
        "<!--><p>{{ offer.title }}</p><!-- a --!><p>",
        "<STYLE>p > a { color: red } </p></STYLE ><p =a b= c>",
    ],
)
def test_what_browsers_and_mail_programs_read_is_read(html: str) -> None:
    assert faults({"subject": "x", "text": "x", "html": html}) == []
    assert rewrite_links(html, lambda url: url) == html


@pytest.mark.parametrize(
    "html",
    [
        "<p title='a'{{ offer.title }}>",
        "<p a=b'{{ offer.title }}'>",
        "<p ' {{ offer.title }} '>",
        "</p title='x' {{ offer.title }}>",
        "<!--><p {{ offer.title }}><!-- -->",
        "<script/>{{ offer.title }}</script>",
        "<style></styles>{{ offer.title }}</style>",
    ],
)
def test_quotes_count_where_browsers_count_them(html: str) -> None:
    assert [each.code for each in faults({"subject": "x", "text": "x", "html": html})] == ["template-invalid"]


def test_a_large_honest_template_is_rendered() -> None:
    row = "<tr><td style='padding: 4px'>{{ offer.title | escape }}</td><td>{{ customer.custom.points }}</td></tr>\n"
    html = "<table>" + row * 400 + "</table>" + "<!-- filling -->\n" * 8_000
    assert len(html) < HTML_LONGEST
    assert len(rendered(html=html).html or "") > 140_000


def test_links_are_rewritten_and_nothing_else_is() -> None:
    html = (
        "<p>\n\n<a class=x HREF='https://a.example/?b=1&amp;c=2' title=\"href='no'\">1</a><br/>\r\n"
        '  <a href="http://d.example">2</a> <a href=https://e.example/f>3</a><a href="mailto:x@y.example">4</a>'
        '<a href="https://crm.example/p/unsubscribe/abc">5</a><a name="x">6</a><link href="https://g.example">\n'
        "<!-- <a href='https://h.example'> --><a\n href = ' HTTPS://I.example '>ä</a> 1 < 2 &amp; \U0001f600"
    )
    asked: list[str] = []

    def make(url: str) -> str:
        asked.append(url)
        return f"https://t.example/?u={len(asked)}&x"

    made = rewrite_links(html, make, keep={"https://crm.example/p/unsubscribe/abc"})
    assert asked == ["https://a.example/?b=1&c=2", "http://d.example", "https://e.example/f", "HTTPS://I.example"]
    assert made == (
        html.replace("https://a.example/?b=1&amp;c=2", "https://t.example/?u=1&amp;x")
        .replace("http://d.example", "https://t.example/?u=2&amp;x")
        .replace("https://e.example/f", '"https://t.example/?u=3&amp;x"')
        .replace(" HTTPS://I.example ", "https://t.example/?u=4&amp;x")
    )
    assert rewrite_links(html, lambda url: url.replace("&", "&"), keep=asked) == html


@given(st.text(alphabet="<>a='\" /hrefst:p&;x\n", max_size=60))
def test_rewriting_stays_away_from_everything_but_links(html: str) -> None:
    assert rewrite_links(html, lambda url: url, keep=()).count("<") == html.count("<")
    assert rewrite_links(html.replace("http", ""), lambda url: "changed") == html.replace("http", "")
