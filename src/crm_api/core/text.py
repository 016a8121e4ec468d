"""The one form in which text is compared: normalized by the application, so that the database only compares bytes."""

from unicodedata import normalize


def folded(text: str) -> str:
    """Fold a text for comparison: compatibility forms and letter case are leveled (Unicode, section 3.13,
    toNFKC_Casefold).

    Spaces stay as they are, so that parts of a text can be folded too. Folding twice changes nothing more.
    """
    if text.isascii():
        return text.lower()  # the same answer, many times faster
    once = normalize("NFKC", normalize("NFD", text).casefold())
    return normalize("NFKC", once.casefold())


def normalized(text: str) -> str:
    """Answer the stored form of a text: folded, without outer white space."""
    return folded(text).strip()
