"""A rate limit that processes and machines share, kept in Redis or Valkey.

Use it as ``Session(..., limits=RedisBucket("redis://host:6379/0", "example.bitrix24.com"))``.
"""

from importlib.util import find_spec

if not any(spec and spec.origin for spec in map(find_spec, ("redis", "valkey"))):  # a mere folder has no origin
    raise ImportError("b24batch.redis needs redis: pip install 'b24batch[redis]'")

from b24batch.redis.bucket import RedisBucket

__all__ = ["RedisBucket"]
