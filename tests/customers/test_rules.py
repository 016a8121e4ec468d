"""What holds of customers without a database: normal forms, and the laws of merging."""

from datetime import date
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm_api.core.problems import InvalidRequest
from crm_api.core.text import normalized
from crm_api.customers import places
from crm_api.customers.contact_points import Unreachable, normalized_email, normalized_phone
from crm_api.customers.csv_form import document_of
from crm_api.customers.custom_values import Declaration, compared
from crm_api.customers.rules import Document, Ground, changed, distinct_tags, merged, nobody
from crm_api.customers.schemas import CustomerFields, CustomerUpsert

DECLARED = {
    "size": Declaration("size", "number", "Size", None),
    "motto": Declaration("motto", "text", "Motto", None),
    "color": Declaration("color", "choice", "Color", ("Red", "green")),
}
GROUND = Ground("US", DECLARED, date(2026, 1, 31))


# Normal forms.


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Ann@Example.com", "ann@example.com"),
        (" ann+shop@EXAMPLE.com ", "ann+shop@example.com"),
        ("O'Hara@example.com", "o'hara@example.com"),
        ("JÖRG@Bücher.example", "jörg@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("straße@example.com", "strasse@example.com"),
    ],
)
def test_email_addresses(value: str, form: str) -> None:
    assert normalized_email(value) == form


@pytest.mark.parametrize(
    "value",
    ["", "ann", "ann@", "@example.com", "ann@localhost", "a b@example.com", "ann@example",
     "ann@exa_mple.com", "ann@@example.com",
     "ann.@example.com", "ann@foo.test", "ann@foo.invalid", f"{'a' * 250}@example.com", '"a b"@x.com'],
)  # fmt: skip
def test_no_email_addresses(value: str) -> None:
    with pytest.raises(Unreachable):
        normalized_email(value)


@pytest.mark.parametrize(
    ("value", "region", "form"),
    [
        ("+1 (202) 555-0123", "DE", "+12025550123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("030 1234567", "DE", "+49301234567"),
        ("00 49 30 1234567", "AT", "+49301234567"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("tel:+49-30-1234567", "US", "+49301234567"),
    ],
)
def test_phone_numbers(value: str, region: str, form: str) -> None:
    assert normalized_phone(value, region) == form


@pytest.mark.parametrize("value", ["", "1", "call me", "+999 123456", "202 555 0123 ext. 5", "+1 202 555 012345678"])
def test_no_phone_numbers(value: str) -> None:
    with pytest.raises(Unreachable):
        normalized_phone(value, "US")


@given(st.emails() | st.from_regex(r"[A-Za-z0-9_%+'&=.-]{1,12}@([a-zA-Z0-9-]{1,5}\.){1,2}[a-z]{1,4}", fullmatch=True))
def test_the_short_way_to_an_email_address_is_the_long_one(value: str) -> None:
    try:
        found = validate_email(value, check_deliverability=False)
        expected: str | None = f"{found.local_part.casefold()}@{found.domain}"
    except EmailNotValidError:
        expected = None
    try:
        form: str | None = normalized_email(value)
    except Unreachable:
        form = None
    assert form == expected


@given(st.emails() | st.text(max_size=40).map(lambda local: f"{local}@example.com"))
def test_normalizing_an_email_address_twice_changes_nothing_more(value: str) -> None:
    try:
        form = normalized_email(value)
    except Unreachable:
        return
    assert normalized_email(form) == form


@example("+4900000", "DE")
@given(st.from_regex(r"\+?[0-9 ()/.-]{4,18}", fullmatch=True), st.sampled_from(["US", "DE", "IT", "BR", "AR", "JP"]))
def test_normalizing_a_phone_number_twice_changes_nothing_more(value: str, region: str) -> None:
    try:
        form = normalized_phone(value, region)
    except Unreachable:
        return
    assert normalized_phone(form, "US") == form


@pytest.mark.parametrize(
    ("tag", "form"), [("DE", "de"), ("en-us", "en-US"), ("ZH-hant-tw", "zh-Hant-TW"), ("es-419", "es-419")]
)
def test_languages(tag: str, form: str) -> None:
    assert places.language(tag) == form
    assert places.language(form) == form


def test_places() -> None:
    assert len(places.COUNTRIES) == 250
    assert {"DE", "US", "XK"} <= places.COUNTRIES
    assert "UK" not in places.COUNTRIES
    assert "Europe/Berlin" in places.time_zones()
    assert "localtime" not in places.time_zones()


@given(st.lists(st.text(min_size=1, max_size=5)))
def test_tags_are_distinct_as_they_are_compared(tags: list[str]) -> None:
    kept = distinct_tags(tags)
    forms = [normalized(tag) for tag in kept]
    assert forms == sorted({normalized(tag) for tag in tags})
    assert set(kept) <= set(tags)
    assert distinct_tags(kept) == kept


# Merging.


names = st.none() | st.sampled_from(["Ann", "Bo", "Cy"])
points = st.lists(
    st.fixed_dictionaries(
        {"kind": st.just("email"), "value": st.sampled_from(["a@example.com", "B@example.com", "c@example.com"])},
        optional={"label": st.sampled_from(["home", "work"])},
    ),
    max_size=3,
    unique_by=lambda point: str(point["value"]),
)
ids = st.lists(
    st.fixed_dictionaries({"system": st.sampled_from(["shop", "web"]), "external_id": st.sampled_from(["1", "2"])}),
    max_size=3,
    unique_by=lambda each: (each["system"], each["external_id"]),
)
custom = st.dictionaries(st.sampled_from(["size"]), st.none() | st.integers(0, 3) | st.floats(0, 3)) | st.dictionaries(
    st.just("motto"), st.none() | st.sampled_from(["x", "y"])
)
wishes = st.fixed_dictionaries(
    {},
    optional={
        "display_name": names,
        "given_name": names,
        "family_name": names,
        "birth_date": st.none() | st.just("1990-01-01"),
        "contact_points": st.none() | points,
        "external_ids": st.none() | ids,
        "addresses": st.none() | st.lists(st.fixed_dictionaries({"city": st.sampled_from(["X", "Y"])}), max_size=2),
        "tags": st.none() | st.lists(st.sampled_from(["a", "A", "b"]), max_size=3),
        "custom_fields": st.none() | custom,
    },
).map(CustomerUpsert.model_validate)


def start() -> Document:
    return {**nobody(), "organization_name": "ACME", "display_name": "ACME"}


@given(wishes, wishes)
def test_merging_twice_is_merging_once(first: CustomerFields, second: CustomerFields) -> None:
    for adding in (False, True):
        before = merged(start(), first, GROUND, adding=adding)
        once = merged(before, second, GROUND, adding=adding)
        assert changed(once, merged(once, second, GROUND, adding=adding)) == []


@given(wishes, wishes)
def test_what_is_left_out_stays(first: CustomerFields, second: CustomerFields) -> None:
    before = merged(start(), first, GROUND)
    after = merged(before, second, GROUND)
    allowed = second.model_fields_set | {"display_name"}
    assert set(changed(before, after)) <= allowed


@given(wishes, wishes)
def test_adding_takes_nothing_away(first: CustomerFields, second: CustomerFields) -> None:
    before = merged(start(), first, GROUND)
    after = merged(before, second, GROUND, adding=True)
    for part, key in (("contact_points", "normalized"), ("external_ids", "external_id")):
        assert {each[key] for each in before[part]} <= {each[key] for each in after[part]}
    assert {normalized(tag) for tag in before["tags"]} <= {normalized(tag) for tag in after["tags"]}


@given(wishes)
def test_one_contact_point_of_a_kind_is_the_primary(wish: CustomerFields) -> None:
    made = merged(start(), wish, GROUND)["contact_points"]
    assert sum(point["is_primary"] for point in made) == (1 if made else 0)


@given(wishes)
def test_the_document_given_is_left_alone(wish: CustomerFields) -> None:
    before = start()
    merged(before, wish, GROUND)
    assert before == start()


def findings(wish: dict[str, Any], before: Document | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        merged(before or start(), CustomerFields.model_validate(wish), GROUND)
    return [(found["pointer"], found["code"]) for found in caught.value.errors]


def test_all_findings_are_told_at_once() -> None:
    mail = {"kind": "email", "value": "a@example.com"}
    wish = {
        "kind": "organization",
        "given_name": "Ann",
        "contact_points": [mail, {"kind": "phone", "value": "x"}, {**mail, "value": "A@example.com"}],
        "external_ids": [{"system": "shop", "external_id": "1"}] * 2,
        "custom_fields": {"size": "x", "colour": "red"},
    }
    assert findings(wish) == [
        ("/contact_points/1/value", "no-phone-number"),
        ("/contact_points/2", "duplicate"),
        ("/external_ids/1", "duplicate"),
        ("/custom_fields/size", "wrong-type"),
        ("/custom_fields/colour", "unknown-field"),
        ("/given_name", "not-of-organizations"),
    ]


def test_single_findings() -> None:
    primary = {"kind": "email", "is_primary": True}
    both = [{**primary, "value": "a@example.com"}, {**primary, "value": "b@example.com"}]
    assert findings({"contact_points": both}) == [("/contact_points", "two-primaries")]
    assert findings({"birth_date": date(2026, 2, 1)}) == [("/birth_date", "in-the-future")]
    assert findings({"display_name": None}, nobody()) == [("/display_name", "missing")]


def test_a_person_becomes_an_organization_once_it_is_none() -> None:
    person = merged(nobody(), CustomerFields.model_validate({"given_name": "Ann"}), GROUND)
    assert findings({"kind": "organization"}, person) == [("/given_name", "not-of-organizations")]
    wish = {"kind": "organization", "given_name": None, "organization_name": "ACME"}
    assert merged(person, CustomerFields.model_validate(wish), GROUND)["display_name"] == "ACME"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"given_name": "Ann", "family_name": "Lee", "organization_name": "ACME"}, "Ann Lee"),
        ({"family_name": "Lee"}, "Lee"),
        ({"organization_name": "ACME"}, "ACME"),
        ({"kind": "organization", "organization_name": "ACME"}, "ACME"),
        ({"contact_points": [{"kind": "email", "value": "Ann@example.com"}]}, "Ann@example.com"),
        ({"external_ids": [{"system": "shop", "external_id": "4711"}]}, "4711"),
    ],
)
def test_display_names_are_made_of_what_is_known(fields: dict[str, Any], name: str) -> None:
    assert merged(nobody(), CustomerFields.model_validate(fields), GROUND)["display_name"] == name


def test_custom_text_is_compared_normalized_and_choices_exactly() -> None:
    assert compared({"motto": " Carpe ", "color": "Red", "size": 2}, DECLARED) == {
        "motto": "carpe",
        "color": "Red",
        "size": 2,
    }


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": None},
        {"display_name": " "},
        {"display_name": "a\nb"},
        {"birth_date": "1899-12-31"},
        {"birth_date": "1990-02-30"},
        {"language": "german"},
        {"time_zone": "Europe/Nowhere"},
        {"tags": [""]},
        {"addresses": [{"country": "UK"}]},
        {"external_ids": [{"system": "Shop", "external_id": "1"}]},
        {"external_ids": [{"system": "shop", "external_id": ""}]},
        {"custom_fields": {"Size": 1}},
        {"contact_points": [{"kind": "fax", "value": "1"}]},
    ],
)
def test_shapes_that_are_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CustomerFields.model_validate(wish)


def test_a_row_of_csv_says_only_what_its_cells_say() -> None:
    row = {
        "system": "",
        "external_id": "",
        "kind": "person",
        "email": " a@b.co ",
        "tags": "a; ;b",
        "custom.size": "1e2",
        "city": "",
    }
    assert document_of(row, DECLARED) == {
        "kind": "person",
        "contact_points": [{"kind": "email", "value": "a@b.co"}],
        "tags": ["a", "b"],
        "custom_fields": {"size": 100.0},
    }
