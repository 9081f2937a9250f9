"""The pages for people who own surveys, rendered on the server.

A file a page, with its template of the same name in `templates`. Begin with `surveys`.
"""
