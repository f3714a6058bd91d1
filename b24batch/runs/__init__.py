"""Runs: many requests in a row, with one outcome for each command."""
