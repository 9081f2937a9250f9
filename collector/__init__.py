"""Tevreden: customer-satisfaction surveys on your own pages, answered into your own store."""

__version__ = "0.1.0"
