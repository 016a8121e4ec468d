"""What rendering knows about HTML: where a value may stand, and which links there are."""

import re
from collections.abc import Callable, Collection, Iterator
from html import escape, unescape
from html.parser import HTMLParser
from typing import Final, NamedTuple

_URL_ATTRIBUTES: Final = frozenset({"href", "src", "action", "formaction", "background", "poster", "cite", "data"})
_RAW_ELEMENTS: Final = frozenset({"script", "style"})
_NAME: Final = "values cannot be names of tags or attributes"
_ATTRIBUTE: Final = re.compile(
    r"""(?:[\s/]|(?<=["']))(?P<name>[^\s"'>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>]+)))?"""
)


class Attribute(NamedTuple):
    """An attribute as it is written: its value without quotes, and where that begins in the tag."""

    name: str
    value: str
    place: int
    is_quoted: bool


def attributes(tag: str) -> Iterator[Attribute]:
    """Answer the attributes of a start tag."""
    for found in _ATTRIBUTE.finditer(tag):
        for group in ("double", "single", "bare"):
            if found[group] is not None:
                yield Attribute(found["name"].lower(), found[group], found.start(group), group != "bare")


class _Places(HTMLParser):
    """Looks for a mark and says what is wrong with where it stands."""

    def __init__(self, mark: str, urls: Collection[int]) -> None:
        super().__init__(convert_charrefs=False)
        self._mark = re.compile(f"{mark}([0-9]+){mark}")
        self._urls = urls
        self.wrong: dict[int, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        whole = self.get_starttag_text() or ""
        loose = set(self._numbers(whole))
        for attribute in attributes(whole):
            numbers = self._numbers(attribute.value)
            if not attribute.is_quoted:
                self._refuse(numbers, f"the value of {attribute.name} needs quotes")
            elif attribute.name.startswith("on"):
                self._refuse(numbers, f"values cannot stand in {attribute.name}, which is a script")
            elif attribute.name in _URL_ATTRIBUTES and (first := self._mark.match(attribute.value.lstrip())):
                unfit = {int(first[1])} - set(self._urls)
                self._refuse(unfit, f"{attribute.name} has to begin with https:// or be a variable that is an address")
            loose -= set(numbers)
        self._refuse(loose, _NAME)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in _RAW_ELEMENTS:
            self._refuse(self._numbers(data), f"values cannot stand in <{self.cdata_elem}>")

    def _numbers(self, text: str) -> list[int]:
        return [int(found[1]) for found in self._mark.finditer(text)]

    def _refuse(self, numbers: Collection[int], why: str) -> None:
        for number in numbers:
            self.wrong.setdefault(number, why)


def misplaced(html: str, mark: str, urls: Collection[int]) -> dict[int, str]:
    """Answer which values stand where escaping does not protect, by number, and why that is wrong.

    In the HTML each value is its number between two marks; `urls` are the numbers of values that are addresses.
    """
    looking = _Places(mark, urls)
    looking.feed(html)
    looking.close()
    names = re.compile(rf"<[^\s<>\"'=]*{mark}([0-9]+){mark}")  # of end tags, and of what no parser takes for a tag yet
    return {**{int(found[1]): _NAME for found in names.finditer(html)}, **looking.wrong}


class _Links(HTMLParser):
    """Finds where the addresses of links stand."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=False)
        self._lines = [0, *(found.end() for found in re.finditer("\n", html))]
        self.found: list[tuple[int, Attribute]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("a", "area"):
            return
        line, column = self.getpos()
        begin = self._lines[line - 1] + column
        links = (each for each in attributes(self.get_starttag_text() or "") if each.name == "href")
        self.found += [(begin + each.place, each) for each in links]


def rewrite_links(html: str, make: Callable[[str], str], *, keep: Collection[str] = ()) -> str:
    """Replace the address of each http(s) link by what `make` makes of it; everything else stays, to the byte.

    Addresses in `keep`, such as the one to unsubscribe by, stay too.
    """
    looking = _Links(html)
    looking.feed(html)
    looking.close()
    parts, done = [], 0
    for place, attribute in looking.found:
        address = unescape(attribute.value).strip()
        if not address.lower().startswith(("http://", "https://")) or address in keep:
            continue
        made = escape(make(address))
        parts += [html[done:place], made if attribute.is_quoted else f'"{made}"']
        done = place + len(attribute.value)
    return "".join([*parts, html[done:]])
