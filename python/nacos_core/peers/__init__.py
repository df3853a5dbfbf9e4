"""Connections between the nodes of a cluster: who may connect, and frames that go both ways.

``addresses``, ``secret``, ``frames``, ``handshake``, ``protocol`` and ``back_off`` are rules without IO; ``network`` is
the only place with sockets; ``transport`` puts them together.
"""
