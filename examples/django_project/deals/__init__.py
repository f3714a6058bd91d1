"""A page that shows the deals of a portal."""
