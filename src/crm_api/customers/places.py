"""Names of countries, languages and time zones as their standards write them."""

import re
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from pydantic_core import PydanticCustomError

# ISO 3166-1 alpha-2, and XK, by which everybody knows Kosovo, which has no code of its own.
_CODES: Final = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD
CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF
GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN
KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI
SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI
VN VU WF WS XK YE YT ZA ZM ZW
"""
COUNTRIES: Final = frozenset(_CODES.split())
LANGUAGE_PATTERN: Final = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$"
_LANGUAGE: Final = re.compile(LANGUAGE_PATTERN[1:-1], re.ASCII)


@cache
def time_zones() -> frozenset[str]:
    """Answer the names of the IANA time zone database, without those that say how this machine is set up."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def country(code: str) -> str:
    """Let an ISO 3166-1 alpha-2 code through."""
    if code not in COUNTRIES:
        raise PydanticCustomError("country", "{code} is no country code of ISO 3166-1, such as DE", {"code": code})
    return code


def language(tag: str) -> str:
    """Write a language tag as BCP 47 recommends: `en-us` is `en-US`. Source: RFC 5646, section 2.1.1."""
    if not _LANGUAGE.fullmatch(tag):
        raise PydanticCustomError("language", "write a language as in BCP 47: de, pt-BR, zh-Hant-TW")
    first, *rest = tag.split("-")
    return "-".join([first.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def time_zone(name: str) -> str:
    """Let the name of an IANA time zone through."""
    if name not in time_zones():
        raise PydanticCustomError("time_zone", "write an IANA time zone, such as Europe/Berlin")
    return name
