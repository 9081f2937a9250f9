"""What every part of the web shares: the protocol with its limits, bodies, rendering, errors, who is asking.

Begin with `services` for what handlers work with.
"""
