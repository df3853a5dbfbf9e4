"""Raft as a pure machine: ``Machine.step(event, now)`` gives effects. No task, socket, file, clock or chance in here.

Names are those of the paper: D. Ongaro and J. Ousterhout, "In Search of an Understandable Consensus Algorithm".
"""
