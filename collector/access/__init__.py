"""Who may do what: sites and their settings, users with their sessions, roles, teams, joining, a second factor,
sign-on by OpenID Connect, API tokens, and the log of who did what.

It touches its own tables alone and knows nothing of surveys. Begin with `sites` and `accounts`; `roles` says what each
role allows.
"""
