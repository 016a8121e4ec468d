"""Problem
├── SegmentNotFound      404  no such segment
├── SegmentNameTaken     409  the name belongs to another segment
├── SegmentArchived      409  an archived segment is neither changed nor built
└── SegmentCycle         422  the definition comes back to the segment itself
"""

from ..core.problems import Problem


class SegmentNotFound(Problem, status=404, code="segment-not-found", title="No such segment"):
    """No segment has this id. `GET /v1/segments` lists those there are."""


class SegmentNameTaken(Problem, status=409, code="segment-name-taken", title="Another segment has this name"):
    """Names are unique among the segments that are not archived; letter case does not tell them apart. `existing_id` is
    the segment that has it.
    """


class SegmentArchived(Problem, status=409, code="segment-archived", title="The segment is archived"):
    """An archived segment keeps its definitions and its last members, and is neither changed nor built again. Define a
    new one; its name is free.
    """


class SegmentCycle(Problem, status=422, code="segment-cycle", title="The segment would refer to itself"):
    """A definition may refer to other segments, but not, over however many of them, to the segment it defines: nobody
    could say which to build first. What members are kept right by counts too: after changing a definition that closes
    the way, build that segment first. `detail` names the segments of the cycle in order; `errors` points to where it
    begins.
    """
