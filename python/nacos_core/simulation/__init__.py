"""A cluster in one process and one thread, where one seed decides everything: links, disks, faults, clients, time.

``Simulation(seed).run()`` plays one cluster and reports what it found; docs/simulation.md says what is promised.
"""

from nacos_core.simulation.world import Report, Simulation

__all__ = ["Report", "Simulation"]
