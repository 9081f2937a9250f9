"""What is asked: the survey document, its metrics, languages and URL patterns, and its way from draft to archive.

It touches the tables of surveys and revisions. Begin with `document` for what a survey is, and `lifecycle` for what
becomes of one.
"""
