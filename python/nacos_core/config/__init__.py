"""Configuration: what may be published, and who waits for a change. Pure: no trio, no IO, no clock."""
