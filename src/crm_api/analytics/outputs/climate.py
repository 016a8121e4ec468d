"""The climate where customers live."""

from typing import Final

from .values import Output, Value

ZONES: Final = (
    *("Af", "Am", "As", "Aw"),
    *("BSh", "BSk", "BWh", "BWk"),
    *("Cfa", "Cfb", "Cfc", "Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc"),
    *("Dfa", "Dfb", "Dfc", "Dfd", "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd"),
    *("EF", "ET"),
)
"""The zones of Köppen and Geiger."""
CLIMATE: Final = Output(
    model="climate",
    title="climate",
    about="the climate zone (Köppen-Geiger) of the main address, and whether it is hot or cold there",
    nothing="The main address had neither coordinates nor a postal code of the United States when the run read it",
    observations="Addresses looked up: the main one",
    empty="No address with coordinates or a postal code of the United States was found",
    values=(
        Value("climate_zone", "choice", "Climate zone (Köppen-Geiger)", field="zone", choices=ZONES),
        Value(
            "climate_group",
            "choice",
            "Group of the climate zone",
            field="group",
            choices=("tropical", "arid", "temperate", "continental", "polar"),
            about="The zone's first letter in words",
        ),
        Value(
            "heat",
            "choice",
            "Hot or cold where the customer lives",
            choices=("hot", "moderate", "cold"),
            about="Hot: tropical, hot desert, hot steppe. Cold: fewer than four months reach 10 °C, and polar",
        ),
        Value(
            "basis",
            "choice",
            "What the climate zone was told by",
            "always",
            choices=("coordinates", "postal_code"),
            about="Coordinates outrank a postal code, whose zone is the commonest within 15 km of its center",
        ),
    ),
    example={
        "climate_zone": "BWh",
        "climate_group": "arid",
        "heat": "hot",
        "basis": "coordinates",
        "observation_count": 1,
    },
)
