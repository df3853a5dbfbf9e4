"""Trio tasks that carry out what the pure parts decide: timers, sockets, threads."""
