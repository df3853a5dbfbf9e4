"""The requests that the core hands up: what each API wants, and the shape of each answer."""
