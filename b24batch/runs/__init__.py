"""Many requests as one run, and what came of each command."""
