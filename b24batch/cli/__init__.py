"""The command line program ``b24batch``."""
