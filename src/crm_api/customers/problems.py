"""Problem
├── CustomerNotFound        404  no such customer
├── ContactPointTaken       409  the e-mail address or number belongs to another customer
├── ExternalIdTaken         409  the other system's id belongs to another customer
├── HouseholdNotFound       404  no such household
├── NoMember                404  the customer is not in the household
├── InAnotherHousehold      409  the customer is in another household
├── HouseholdFull           409  the household has as many members as one may have
├── FieldNotDeclared        404  no such field
├── FieldKeyTaken           409  a custom field has this key already
├── FieldBuiltIn            409  the field is not one that was declared
└── ChoiceInUse             409  choices can be added, not taken away
"""

from ..core.problems import Problem


class CustomerNotFound(Problem, status=404, code="customer-not-found", title="No such customer"):
    """No customer has this id, or this id in that system. Archived customers are found; only lists leave them out."""


class ContactPointTaken(
    Problem, status=409, code="contact-point-taken", title="The contact point belongs to another customer"
):
    """An e-mail address or telephone number belongs to one customer at a time, compared in its normalized form.

    `existing_id` is the customer who has it; `errors` points to the contact points. Change that customer instead of
    registering another, or take the contact point away from it first. Nothing was stored.
    """


class ExternalIdTaken(
    Problem, status=409, code="external-id-taken", title="The external id belongs to another customer"
):
    """Another system's id names one customer. `existing_id` is the one it names; `errors` points to the ids.

    To register a customer or change the one there is, whichever is needed, use
    `PUT /v1/customers/by/{system}/{external_id}`. Nothing was stored.
    """


class HouseholdNotFound(Problem, status=404, code="household-not-found", title="No such household"):
    """No household has this id, or it was dissolved. `GET /v1/households?customer_id=` finds that of a customer."""


class NoMember(Problem, status=404, code="no-member", title="The customer is not in the household"):
    """The household is there, and the customer is not in it. Its `members` say who is."""


class InAnotherHousehold(
    Problem, status=409, code="in-another-household", title="The customer is in another household"
):
    """A customer is in one household at most. `existing_id` is the household that `customer_id` is in.

    Let the customer leave it first: `DELETE /v1/households/{id}/members/{customer_id}`. Nothing was stored.
    """


class HouseholdFull(Problem, status=409, code="household-full", title="The household is full"):
    """A household has at most 50 members. More people than that are held together by a tag or a custom field."""


class FieldNotDeclared(Problem, status=404, code="field-not-declared", title="No such field"):
    """`GET /v1/fields` lists the fields there are. A custom field is declared with `POST /v1/fields`."""


class FieldKeyTaken(Problem, status=409, code="field-key-taken", title="A custom field has this key already"):
    """Keys are unique, and the type of a field stays as declared, since values and audiences rest on it.

    `GET /v1/fields/custom.<key>` shows the field there is. Its label and choices can be changed with PATCH.
    """


class FieldBuiltIn(Problem, status=409, code="field-built-in", title="The field is built in"):
    """Only custom fields can be changed: those declared with `POST /v1/fields`, named `custom.<key>`."""


class ChoiceInUse(Problem, status=409, code="choice-in-use", title="Choices can be added, not taken away"):
    """Customers may hold each of the present choices, and audiences ask for them. Send the present ones and the new."""
