"""Explanations of rows that no machine holds at once: stored while they are computed.

One function does the work of one part of the rows, :func:`~explanation_client.streams.partition.explain_partition`: it
explains batches, writes their shards, and returns statistics. One puts the parts together,
:func:`~explanation_client.streams.merge.merge`: statistics become the global parts, the sample for dashboards and the
manifest. A stream on one machine is a single part; Spark has one for each partition, and sends nothing but statistics.
"""
