"""Problem
├── RunNotFound       404  no such run
├── ModelNotFound     404  no such model
├── NothingPublished  404  no run of the model has been published, or none as of that date
├── BacktestNotFound  404  the run has no backtest, or no picture of it
├── NothingToApprove  409  the run waits for nobody's approval
├── SensitiveTaste    403  no purpose is named that such a taste is told for
├── RunNotOpen        409  the run has ended and takes nothing more
├── RunSuperseded     409  a newer run of the model was published first
├── OutputMismatch    409  what is stored is not what the worker says it sent
├── WatermarkOpen     409  facts from before the watermark may still be on their way
├── RowsDropped       410  the run is so old that its rows were dropped
├── InsufficientData  422  what a run that could score nobody says of itself
├── NotConverged      422  what a run whose fit found no optimum says of itself
├── NotIdentified     422  what a run whose data cannot tell one answer from another says of itself
└── NotPublished      500  what a run whose worker never published it says of itself
"""

from ..core.problems import Problem


class RunNotFound(Problem, status=404, code="run-not-found", title="No such run"):
    """No analytics run has this id. `GET /v1/analytics/runs` lists those there are."""


class ModelNotFound(Problem, status=404, code="model-not-found", title="No such model"):
    """There is no model of this name; `detail` names those there are."""


class NothingPublished(Problem, status=404, code="nothing-published", title="No such run has been published"):
    """There are no scores to read: no run of this model has been published yet, or none for the `as_of` that was asked
    for. Start one with `POST /v1/analytics/runs`, and watch its job.
    """


class BacktestNotFound(Problem, status=404, code="backtest-not-found", title="The run has no backtest"):
    """The run has not come so far, its model foretells nothing that could be judged, or there was too little to judge
    by, so that nothing was drawn; `detail` says which.
    """


class SensitiveTaste(Problem, status=403, code="sensitive-taste", title="A sensitive taste needs a purpose"):
    """What somebody leaves out may reveal health or belief: meat, alcohol, what a baby needs. Such a taste is told only
    as `sensitive_taste`, for a purpose that the deployment names: declare it with `PUT /v1/purposes/{name}`, ask your
    customers for consent to it, and start the service with `CRM_SENSITIVE_TASTE_PURPOSE` set to its name. Only who
    agreed is scored. `detail` says what is missing.
    """


class NothingToApprove(Problem, status=409, code="nothing-to-approve", title="The run waits for no approval"):
    """Only a run in the state `awaiting_approval` can be approved or rejected, and only once. `detail` says in which
    state this one is.
    """


class RunNotOpen(Problem, status=409, code="run-not-open", title="The run has ended"):
    """Rows and publication are taken only while a run is being worked on. `detail` says how this one ended. Nothing of
    it changes any more; start a new run.
    """


class RunSuperseded(Problem, status=409, code="run-superseded", title="A newer run was published first"):
    """A run of the same model that was asked for later is current already, and an older one must not take its place.
    Start a new run if the figures of this one are wanted.
    """


class OutputMismatch(Problem, status=409, code="output-mismatch", title="The stored rows are not those that were sent"):
    """The number of rows, or the hash over all of them, differs from what the worker says it computed: a part is
    missing, or was changed on its way. The run that was current stays current. `errors` says which of the two differs;
    send the parts again, then publish.
    """


class WatermarkOpen(Problem, status=409, code="watermark-open", title="The watermark is not settled yet"):
    """A run reads what was recorded up to its watermark, the moment it was asked for. Writes that began before that
    moment are still under way. Ask again after `Retry-After`; it takes a second or two, and never more than a minute.
    """


class RowsDropped(Problem, status=410, code="rows-dropped", title="The rows of this run were dropped"):
    """Only the rows of the ten newest published runs of a model are kept. What this run was asked for and what came
    out, its counts and hashes, can still be read at `GET /v1/analytics/runs/{run_id}`.
    """


class InsufficientData(Problem, status=422, code="insufficient-data", title="Nobody could be scored"):
    """The run read all there was and found nothing it could score anybody by, so it published nothing; the run that
    was current stays current. Record purchases, or choose other `kinds` or a later `as_of`; of `climate`, give
    addresses their coordinates.
    """


class NotConverged(Problem, status=422, code="not-converged", title="The fit found no optimum"):
    """The model's parameters could not be estimated: the search for them came to no end, so the run published nothing;
    the run that was current stays current. Choose a later `as_of` or other `kinds`, and look at the data for amounts
    and dates that cannot be true.
    """


class NotIdentified(Problem, status=422, code="not-identified", title="The data cannot tell the parameters"):
    """The model was fitted, and its parameters lie at a bound or in no particular place: very different answers fit the
    data as well. Figures from it would be a guess, so the run published nothing; the run that was current stays
    current. It takes a longer time of trade, or customers who leave at some time.
    """


class NotPublished(Problem, status=500, code="run-not-published", title="The run was never published"):
    """The worker said it was done without having published the run. The run that was current stays current. Start a new
    run; if it happens again, tell operations.
    """
