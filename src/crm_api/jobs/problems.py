"""Problem
├── JobNotFound    404  no such job
├── JobEnded       409  it ended before it could be cancelled
├── LeaseLost      409  the job is no longer this worker's
├── StepUnderWay   409  a step of this job is being done now
├── NoStepToRun    422  a job for hands has no steps
├── NotForHands    422  a set job reports nothing
└── JobFailed      500  what a failed job says of itself
"""

from ..core.problems import Problem


class JobNotFound(Problem, status=404, code="job-not-found", title="No such job"):
    """No job has this id, or it ended so long ago that it was forgotten. `GET /v1/jobs` lists those there are."""


class JobEnded(Problem, status=409, code="job-ended", title="The job has ended already"):
    """Only a job that is queued or running can be cancelled. `detail` says how this one ended."""


class LeaseLost(Problem, status=409, code="lease-lost", title="The job is no longer this worker's"):
    """The lease ran out, or the job was cancelled, so that another worker may have it by now. Stop the work and report
    nothing more under this lease; what it reported before stands.
    """


class StepUnderWay(Problem, status=409, code="step-under-way", title="A step of this job is being done now"):
    """Steps of one job run one after another. Send the request again after `Retry-After`."""


class NoStepToRun(Problem, status=422, code="no-step-to-run", title="This job is not done in steps"):
    """Only a job of nature `set` has steps that the API executes. One for `hands` is done by the worker, which reports
    progress and result.
    """


class NotForHands(Problem, status=422, code="not-for-hands", title="This job is done in steps"):
    """A job of nature `set` moves by `POST /v1/jobs/{job_id}/steps` alone, which also knows its progress and its
    result.
    """


class JobFailed(Problem, status=500, code="job-failed", title="The job failed"):
    """The work was tried as often as its kind allows, or met something that trying again cannot mend; the job's
    `attempts` say what. Nothing of an unfinished version was published. Mend the cause and start the work anew.
    """
