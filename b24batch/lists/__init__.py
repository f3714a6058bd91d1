"""Lists of a portal, read page by page."""
