"""For developers who test on their own pages: the pytest plugin with its kit, and ``tevreden check``.

It speaks with a collector by HTTP alone. Begin with `kit`.
"""
