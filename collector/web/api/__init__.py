"""REST under ``/api/v1``, with bearer tokens, and the description of it in OpenAPI.

Begin with `routes`; `resources` are the models that are read and answered with.
"""
