"""One HTTP request and its answer: credentials, rate limits, clocks and adapters for your own code.

This package knows nothing of commands or batches.
"""

from b24batch.clock import Clock, Wait
from b24batch.redaction import Secret
from b24batch.wire.adapter import TrackingAdapter
from b24batch.wire.auth import Access, Auth
from b24batch.wire.rate import LeakyBucket, Limiter
from b24batch.wire.reports import FinishedRequest
from b24batch.wire.statistics import MethodTime, Statistics

__all__ = [
    "Access",
    "Auth",
    "Clock",
    "FinishedRequest",
    "LeakyBucket",
    "Limiter",
    "MethodTime",
    "Secret",
    "Statistics",
    "TrackingAdapter",
    "Wait",
]
