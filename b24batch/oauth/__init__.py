"""OAuth 2.0: the one public door to tokens, stores and what a portal posts."""
