"""PHP's way with JSON, queries, addresses and values."""
