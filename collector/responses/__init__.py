"""What came back: events as they arrive, their intake in batches, the sums kept with each, reading and removal.

It touches impressions, responses and rollups. Begin with `events` for what is sent and `intake` for what becomes of it.
"""
