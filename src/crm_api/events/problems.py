"""Problem
└── EventsGone  410  the events behind this position were dropped
"""

from ..core.problems import Problem


class EventsGone(Problem, status=410, code="events-gone", title="The events behind this position were dropped"):
    """Events are kept for some weeks, and what came behind `after` is older than that. Whatever you derive from the
    feed may have missed changes: read the resources themselves anew, then go on with `after` set to the `oldest_after`
    of this problem, which is where the kept events begin.
    """
