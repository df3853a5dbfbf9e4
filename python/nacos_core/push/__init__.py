"""When to push what to whom. Pure: no trio, no IO, no clock; ``drivers.push`` carries it out."""
