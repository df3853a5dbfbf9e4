"""Distributed locks: what may be asked for, and who holds which. Pure: no trio, no IO."""
