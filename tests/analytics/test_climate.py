"""Climate through the whole loop: addresses read, looked up by a worker, asked for; who can be told nothing is said."""

from typing import Any

from ..calling import Api, problem
from .working import Compute, in_ranges_of

MODEL = "climate"
PHOENIX = {"latitude": 33.4484, "longitude": -112.074, "country": "US"}
ADDRESSES: dict[str, dict[str, Any] | None] = {
    "Phoenix": PHOENIX,
    "Flagstaff": {"postal_code": "86001-1234", "country": "US"},
    "Yellowknife": {"latitude": 62.454, "longitude": -114.3718, "country": "CA"},
    "Ship": {"latitude": 0.0, "longitude": -150.0},
    "Berlin": {"postal_code": "10115", "country": "DE"},
    "Nowhere": None,
    "Gone": PHOENIX,
}
TOLD = ("climate_zone", "climate_group", "heat", "basis", "status")


async def live(api: Api, name: str, address: dict[str, Any] | None) -> str:
    """The id of a new customer who lives there, and in Phoenix besides."""
    addresses = [] if address is None else [{"lines": ["1 Main St"], **each} for each in (address, PHOENIX)]
    wish = {"kind": "organization", "organization_name": name, "addresses": addresses}
    return str((await api.post("/v1/customers", wish, expect=201))["id"])


async def test_the_climate_of_addresses_is_told(api: Api, compute: Compute) -> None:
    ids = {name: await live(api, name, address) for name, address in ADDRESSES.items()}
    await api.post(f"/v1/customers/{ids['Gone']}/archive", expect=200)
    run = await compute(model=MODEL, currency=None)
    assert (run["state"], run["row_count"]) == ("published", 4), run
    assert run["quality"] == {
        "facts_read": 5,
        "addresses_used": 4,
        "customers_scored": 3,
        "customers_without_zone": 1,
    }
    small = await compute(in_ranges_of(2), model=MODEL, currency=None)
    assert (small["output_hash"], small["input_hash"]) == (run["output_hash"], run["input_hash"])

    names = {customer: name for name, customer in ids.items()}
    scores = (await api.get(f"/v1/scores/{MODEL}"))["data"]
    assert {names[score["customer_id"]]: tuple(score[name] for name in TOLD) for score in scores} == {
        "Phoenix": ("BWh", "arid", "hot", "coordinates", "ok"),
        "Flagstaff": ("Csb", "temperate", "moderate", "postal_code", "ok"),
        "Yellowknife": ("Dfc", "continental", "cold", "coordinates", "ok"),
        "Ship": (None, None, None, "coordinates", "insufficient_data"),
    }
    for name in ("Berlin", "Nowhere", "Gone"):
        found = (await api.get(f"/v1/customers/{ids[name]}/scores"))["data"]
        [score] = (each for each in found if each["model"] == MODEL)
        assert (score["status"], score["climate_zone"], score["run_id"]) == ("insufficient_data", None, small["id"])
        assert "neither coordinates nor a postal code of the United States" in score["reason"]
    for definition, count in (
        ('climate.heat = "hot"', 1),
        ('climate.zone in ("BWh", "Csb")', 2),
        ('climate.group = "continental" and climate.basis = "coordinates"', 1),
    ):
        assert (await api.post("/v1/segments/preview", {"definition": definition}, expect=200))["count"] == count
    await api.get(f"/v1/analytics/runs/{run['id']}/backtest", expect=problem("backtest-not-found", 404))
    why = await api.get(f"/v1/customers/{ids['Phoenix']}/scores/{MODEL}/explain")
    assert (why["scores"][0]["basis"], why["inputs"], why["touchpoints"]) == ("coordinates", None, [])


async def test_a_run_is_about_its_audience_and_an_address_may_move(api: Api, compute: Compute) -> None:
    ids = {name: await live(api, name, PHOENIX) for name in ("Here", "There")}
    run = await compute(model=MODEL, currency=None, audience='organization_name = "Here"')
    assert (run["state"], run["row_count"]) == ("published", 1), run
    customer = await api.send("GET", f"/v1/customers/{ids['Here']}", expect=200)
    moved = {"addresses": [{"lines": ["2 Main St"], **(ADDRESSES["Yellowknife"] or {})}]}
    await api.patch(f"/v1/customers/{ids['Here']}", moved, headers={"If-Match": customer.headers["ETag"]}, expect=200)
    again = await compute(model=MODEL, currency=None)
    assert (again["row_count"], again["input_hash"] == run["input_hash"]) == (2, False)
    heats = {score["customer_id"]: score["heat"] for score in (await api.get(f"/v1/scores/{MODEL}"))["data"]}
    assert heats == {ids["Here"]: "cold", ids["There"]: "hot"}


async def test_without_a_place_anywhere_the_run_says_so(api: Api, compute: Compute) -> None:
    await live(api, "Berlin", None)
    run = await compute(model=MODEL, currency=None)
    assert (run["state"], run["row_count"]) == ("insufficient_data", 0)
    assert run["problem"]["detail"].startswith("No address with coordinates or a postal code of the United States")


async def test_addresses_are_read_with_the_right_to_see_customers(
    api: Api, compute: Compute, credentials: tuple[str, str]
) -> None:
    phoenix = await live(api, "Phoenix", PHOENIX)
    run = await compute(model=MODEL, currency=None)
    path = f"/v1/analytics/runs/{run['id']}/addresses"
    lines = (await api.send("GET", path, expect=200)).text.splitlines()
    assert lines == ["customer_id,latitude,longitude,country,postal_code", f"{phoenix},33.4484,-112.074,US,"]
    await live(api, "Later", PHOENIX)
    assert (await api.send("GET", path, expect=200)).text.splitlines() == lines
    token = await api.token(*credentials, "touchpoints:read scores:write")
    caller = {"Authorization": f"Bearer {token}"}
    await api.get(path, headers=caller, expect=problem("insufficient-scope", 403))
