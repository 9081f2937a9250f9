"""Put together and started: the application, the worker, serving, the ``tevreden`` command, the demo.

Only here is the clock read and the environment taken. Begin with `app`.
"""
