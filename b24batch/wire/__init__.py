"""One request there and back: connections, credentials, answers, retries, the rate. Knows no commands."""

from b24batch.clock import Clock, Wait
from b24batch.redaction import Secret
from b24batch.wire.adapter import TrackingAdapter
from b24batch.wire.auth import Access, Auth
from b24batch.wire.rate import LeakyBucket, Limiter

__all__ = ["Access", "Auth", "Clock", "LeakyBucket", "Limiter", "Secret", "TrackingAdapter", "Wait"]
