"""Saying why a customer is in a segment, or is not."""

from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Integer, Select, Uuid, bindparam, func, select

from ...audience import Catalog, Moment, explain, load_facts, read_tree
from ...audience.problems import audience_at
from ...core.problems import InvalidRequest, finding
from ...core.read import Prepared, Reader
from ...customers.models import Customer
from ...customers.problems import CustomerNotFound
from ..models import Membership, Segment, SegmentVersion
from ..problems import SegmentNotFound
from ..queries import MEMBER_COUNT, visible_membership

_definition: Final[Select[*tuple[Any, ...]]] = select(SegmentVersion.definition, SegmentVersion.number)
_DEFINITION: Final = Prepared(
    _definition.join(Segment, Segment.id == SegmentVersion.segment_id).where(
        Segment.id == bindparam("segment_id", type_=Uuid),
        SegmentVersion.number == func.coalesce(bindparam("version", type_=Integer), Segment.definition_version),
    )
)
_customer: Final[Select[*tuple[Any, ...]]] = select(Customer.archived_at, Membership.entered_at)
_CUSTOMER: Final = Prepared(
    _customer.select_from(Customer)
    .outerjoin(Segment, Segment.id == bindparam("segment_id", type_=Uuid))
    .outerjoin(
        Membership,
        (Membership.customer_id == Customer.customer_id) & (Membership.segment_id == Segment.id) & visible_membership(),
    )
    .where(Customer.customer_id == bindparam("customer_id", type_=Uuid))
)


async def explain_membership(
    reader: Reader, segment_id: UUID, customer_id: UUID, number: int | None, catalog: Catalog, moment: Moment
) -> dict[str, Any]:
    """Say what a version of the definition, or the newest, finds of a customer, node by node, and whether the customer
    is a member.

    Errors: SegmentNotFound, CustomerNotFound, InvalidAudience, InvalidRequest for a version there is not.
    """
    version = await reader.row(_DEFINITION, segment_id=segment_id, version=number)
    if version is None:
        if await reader.row(MEMBER_COUNT, segment_id=segment_id) is None:
            raise SegmentNotFound(f"No segment has the id {segment_id}")
        detail = f"the definition has no version {number}"
        raise InvalidRequest(detail, errors=[finding("/version", "unknown-version", detail, part="query")])
    tree = read_tree(orjson.loads(version["definition"]))
    customer = await reader.row(_CUSTOMER, segment_id=segment_id, customer_id=customer_id)
    facts = await load_facts(reader, [tree], catalog, customer_id, moment)
    if customer is None or facts is None:
        raise CustomerNotFound(f"No customer has the id {customer_id}")
    with audience_at("/definition"):
        explained = explain(tree, catalog, facts)
    return {
        "segment_id": segment_id,
        "customer_id": customer_id,
        "definition_version": version["number"],
        "as_of": moment.now,
        "meets_definition": explained.holds,
        "is_archived": customer["archived_at"] is not None,
        "is_member": customer["entered_at"] is not None,
        "member_since": customer["entered_at"],
        "explanation": asdict(explained),
    }
