"""A list of the portal, page after page."""
