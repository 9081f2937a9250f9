"""What visitors' browsers ask for: the script, the further files, a place for events, a survey's own page.

Open to every origin and to strangers, so each address has its bounds. Begin with `routes`.
"""
