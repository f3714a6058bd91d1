"""One request there and back: connections, credentials, answers, retries, the rate. Knows no commands."""
