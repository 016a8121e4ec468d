"""What rendering knows about HTML: where a value may stand, and which links there are.

Tags are read as browsers read them (HTML standard, section 13.2.5), in one pass whose time grows with the length alone:
the parser of the standard library goes back to the end again and again over what is not closed, and breaks off at some
declarations that mail programs know.
"""

import re
from collections.abc import Callable, Collection, Iterator
from html import escape, unescape
from typing import Final, NamedTuple

_URL_ATTRIBUTES: Final = frozenset({"href", "src", "action", "formaction", "background", "poster", "cite", "data"})
_RAW_ELEMENTS: Final = frozenset({"script", "style"})
_LINKS: Final = frozenset({"a", "area"})
_NAME: Final = "values cannot be names of tags or attributes"
# Nothing that has matched is given back (`++`), so that no text makes the expressions slow.
_VALUE: Final = r""""(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>(?!["'])[^\s>]++)|(?=>)"""
_UNNAMED: Final = re.sub(r"\?P<\w+>", "?:", _VALUE)
_ATTRIBUTE: Final = re.compile(rf"(?P<name>[^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:{_VALUE}))?+")
_TAG: Final = re.compile(
    rf"<(?P<end>/?)(?P<name>[A-Za-z][^\s/>]*+)(?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:{_UNNAMED})|(?!\s*+=)))*+>"
)
_TAG_BEGINS: Final = re.compile(r"</?[A-Za-z]")
_COMMENT_ENDS: Final = re.compile(r"--!?>")


class NotClosed(Exception):
    """A tag, comment or declaration runs to the end of the HTML."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Attribute(NamedTuple):
    """An attribute as it is written: its value without quotes, and where that begins in the HTML."""

    name: str
    value: str
    place: int
    is_quoted: bool


class Piece(NamedTuple):
    """A tag, or what stands in an element whose content is no HTML."""

    begin: int
    end: int
    name: str
    """Of the tag, in small letters, `/` before it at an end tag; of the element, for its content."""
    is_raw: bool = False


def pieces(html: str) -> Iterator[Piece]:
    """Answer tags and the content of scripts and styles, in order, past comments and text. Errors: NotClosed."""
    place = 0
    while (begin := html.find("<", place)) >= 0:
        if tag := _TAG.match(html, begin):
            name = tag["name"].lower()
            yield Piece(begin, tag.end(), tag["end"] + name)
            place = tag.end()
            if not tag["end"] and name in _RAW_ELEMENTS:
                place = _end_of_raw(html, name, place)
                yield Piece(tag.end(), place, name, is_raw=True)
        else:
            place = _end_of_other(html, begin)


def _end_of_raw(html: str, name: str, place: int) -> int:
    end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, place)
    return len(html) if end is None else end.start()


def _end_of_other(html: str, begin: int) -> int:
    """Answer where a comment, a declaration or a lone sign ends. Errors: NotClosed."""
    if _TAG_BEGINS.match(html, begin):
        raise NotClosed(begin)
    if html.startswith("<!--", begin):
        closed = _COMMENT_ENDS.search(html, begin + 2)  # "<!-->" is a whole comment
        end = -1 if closed is None else closed.end()
    elif html.startswith(("<!", "<?", "</"), begin):
        end = html.find(">", begin) + 1 or -1
    else:
        return begin + 1
    if end < 0:
        raise NotClosed(begin)
    return end


def attributes(html: str, tag: Piece) -> Iterator[Attribute]:
    """Answer the attributes of a tag that have a value."""
    begin = tag.begin + len(tag.name) + 1
    for found in _ATTRIBUTE.finditer(html, begin, tag.end):
        for group in ("double", "single", "bare"):
            if found[group] is not None:
                yield Attribute(found["name"].lower(), found[group], found.start(group), group != "bare")


def misplaced(html: str, mark: str, urls: Collection[int]) -> dict[int, str]:
    """Answer which values stand where escaping does not protect, by number, and why that is wrong. Errors: NotClosed.

    In the HTML each value is its number between two marks; `urls` are the numbers of values that are addresses.
    """
    places = _Places(mark, urls)
    for piece in pieces(html):
        places.look(html, piece)
    names = re.compile(rf"<[^\s<>\"'=]*{mark}([0-9]+){mark}")  # also of what no browser takes for a tag yet
    return {**{int(found[1]): _NAME for found in names.finditer(html)}, **places.wrong}


class _Places:
    """Says what is wrong with where the marks stand."""

    def __init__(self, mark: str, urls: Collection[int]) -> None:
        self._mark = re.compile(f"{mark}([0-9]+){mark}")
        self._urls = urls
        self.wrong: dict[int, str] = {}

    def look(self, html: str, piece: Piece) -> None:
        numbers = self._numbers(html[piece.begin : piece.end])
        if not numbers:
            return
        if piece.is_raw:
            self._refuse(numbers, f"values cannot stand in <{piece.name}>")
        else:
            fine = {number for each in attributes(html, piece) for number in self._in_value(each)}
            self._refuse(set(numbers) - fine, _NAME)

    def _in_value(self, attribute: Attribute) -> list[int]:
        """Answer the values in one of an attribute, and refuse those that must not stand there."""
        numbers = self._numbers(attribute.value)
        if not attribute.is_quoted:
            self._refuse(numbers, f"the value of {attribute.name} needs quotes")
        elif attribute.name.startswith("on"):
            self._refuse(numbers, f"values cannot stand in {attribute.name}, which is a script")
        elif attribute.name in _URL_ATTRIBUTES and (first := self._mark.match(attribute.value.lstrip())):
            unfit = {int(first[1])} - set(self._urls)
            self._refuse(unfit, f"{attribute.name} has to begin with https:// or be a variable that is an address")
        return numbers

    def _numbers(self, text: str) -> list[int]:
        return [int(found[1]) for found in self._mark.finditer(text)]

    def _refuse(self, numbers: Collection[int], why: str) -> None:
        for number in numbers:
            self.wrong.setdefault(number, why)


def rewrite_links(html: str, make: Callable[[str], str], *, keep: Collection[str] = ()) -> str:
    """Replace the address of each http(s) link by what `make` makes of it; everything else stays, to the byte.

    Addresses in `keep`, such as the one to unsubscribe by, stay too; so does what follows a tag that is not closed.
    """
    parts, done = [], 0
    for attribute in _hrefs(html):
        address = unescape(attribute.value).strip()
        if not address.lower().startswith(("http://", "https://")) or address in keep:
            continue
        made = escape(make(address))
        parts += [html[done : attribute.place], made if attribute.is_quoted else f'"{made}"']
        done = attribute.place + len(attribute.value)
    return "".join([*parts, html[done:]])


def _hrefs(html: str) -> Iterator[Attribute]:
    try:
        for piece in pieces(html):
            if piece.name in _LINKS:
                yield from (each for each in attributes(html, piece) if each.name == "href")
    except NotClosed:
        return
