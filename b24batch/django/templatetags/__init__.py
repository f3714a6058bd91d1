"""The template tags of b24batch: ``{% load b24batch %}``."""
