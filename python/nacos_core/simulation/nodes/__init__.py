"""The same with real nodes: drivers, wire and stores as they are, in one thread under trio's mock clock."""

from nacos_core.simulation.nodes.world import NodesSimulation

__all__ = ["NodesSimulation"]
