"""Problem
├── AdvertisingAudienceNotFound  404  no such advertising audience
├── AdvertisingExportNotFound    404  the audience has no such export
├── AdvertisingExportNotReady    409  it is still being made
└── AdvertisingExportClosed      409  it was acknowledged, replaced, or came to nothing
"""

from ..core.problems import Problem


class AdvertisingAudienceNotFound(
    Problem, status=404, code="advertising-audience-not-found", title="No such advertising audience"
):
    """No advertising audience has this id. `GET /v1/advertising-audiences` lists those there are."""


class AdvertisingExportNotFound(Problem, status=404, code="advertising-export-not-found", title="No such export"):
    """The audience has no export of this number. `GET /v1/advertising-audiences/{id}/exports` lists those there are."""


class AdvertisingExportNotReady(
    Problem, status=409, code="advertising-export-not-ready", title="The export is not ready"
):
    """The export is still being made, by the job it names. Wait until the job has ended, then ask again."""


class AdvertisingExportClosed(Problem, status=409, code="advertising-export-closed", title="The export is closed"):
    """An export can be read and acknowledged until it was acknowledged, or another one was asked for; `status` says
    which, or that its job failed. Ask for a new one: it holds whatever the destination still has to be told. What was
    handed over of an export that was replaced does no harm: the next one adds it once more, or removes it.
    """
