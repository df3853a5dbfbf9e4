"""Nodes that tell each other who publishes what: the rules of Distro and the registry of the core, on the event heap.

``DistroSimulation(seed).run()`` plays one cluster; docs/simulation.md says what is promised.
"""

from nacos_core.simulation.distro.world import DistroReport, DistroSimulation

__all__ = ["DistroReport", "DistroSimulation"]
