"""The methods of the sandbox portal."""
