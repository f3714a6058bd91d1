"""The sandbox's OAuth 2.0."""
