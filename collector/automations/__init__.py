"""What happens because of an answer: webhooks that are told of it.

It touches its own tables and hands jobs to the outbox; what is sent goes through `collector.channels`. Begin with
`webhooks`.
"""
