"""The portal's side of an application: its addresses, what it has bound, and the pages that show it in a frame."""
