"""The collector's face to browsers and programs: `http` is what every part shares, `visitors` what pages ask for, `api`
REST, `admin` the pages for people.

It holds no rule of its own: each handler reads what was sent, calls a function of a package below, and renders.
"""
