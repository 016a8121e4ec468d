"""The scopes there are: `<resource>:<read|write>` and a few named extras."""

from typing import Final

SCOPES: Final[dict[str, str]] = {
    "customers:read": "Read customers and their timelines' owners",
    "customers:write": "Register, change, archive and load customers",
    "households:read": "Read households and who is in them",
    "households:write": "Form and dissolve households, let customers join and leave",
    "fields:read": "Read the field catalog",
    "fields:write": "Declare and change custom fields",
    "touchpoints:read": "Read timelines and touchpoints",
    "touchpoints:write": "Record touchpoints",
    "products:read": "Read products",
    "products:write": "Register, change and load products",
    "consents:read": "Read what customers agreed to",
    "consents:write": "Record what customers agreed to or withdrew",
    "purposes:read": "Read what customers are contacted for",
    "purposes:write": "Declare purposes, and whether silence means no",
    "suppressions:read": "Read the addresses that are left alone",
    "suppressions:write": "Leave addresses alone, and lift that again",
    "segments:read": "Read segments and their members",
    "segments:write": "Define and build segments",
    "advertising:read": "Read advertising audiences and how much was exported",
    "advertising:write": "Open advertising audiences, export hashed identifiers, acknowledge",
    "offers:read": "Read offers",
    "offers:write": "Make, change and retire offers",
    "decisions:read": "Read decisions",
    "decisions:write": "Have an offer decided for a customer",
    "templates:read": "Read templates",
    "templates:write": "Make, change and archive templates",
    "campaigns:read": "Read campaigns, plan and explain them",
    "campaigns:write": "Make, launch, pause and stop campaigns",
    "messages:read": "Read who got which message",
    "messages:work": "Claim messages and report on them (workers)",
    "analytics:read": "Read analytics runs",
    "analytics:write": "Start analytics runs",
    "scores:read": "Read scores",
    "scores:write": "Write the rows of a run (workers)",
    "events:read": "Read the change feed",
    "jobs:read": "Read jobs and their progress",
    "jobs:write": "Cancel jobs",
    "jobs:work": "Claim jobs and report on them (workers)",
    "metrics:read": "Read the metrics of operations",
}

WORKER_SCOPES: Final[tuple[str, ...]] = (
    *(scope for scope in SCOPES if scope.endswith(":read")),
    "scores:write",
    "jobs:work",
    "messages:work",
)
"""What the worker's client may do: read everything, work on jobs, write scores. It changes no customer."""
