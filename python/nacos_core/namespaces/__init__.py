"""Namespaces: which there are, and what they may be called. What is in one works without it. Pure: no trio, no IO."""
