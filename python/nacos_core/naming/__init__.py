"""Naming: what the core's registry leaves to decide. Pure: no trio, no IO, no clock."""
