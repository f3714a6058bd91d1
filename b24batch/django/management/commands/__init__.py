"""The commands: ``b24`` and ``b24_offline_events``."""
