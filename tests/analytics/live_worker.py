"""A worker that computes runs in small ranges, so that there is time to kill it."""

from functools import partial

from workers import analytics
from workers.hands import HANDS
from workers.main import main

HANDS["analytics-run"] = partial(analytics.compute_run, customers=10)

if __name__ == "__main__":
    main()
