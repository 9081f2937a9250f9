"""The way out: one client for every outbound request, and an adapter a file for each kind of receiver.

It touches no table: it is told an address and what to send, and says how it went. Begin with `outbound`.
"""
