"""What is written in the body of a static agent, and what its graph is made of."""

from .authoring.building import branch
from .authoring.static import graphify
from .graphs.graph import GraphNode, NodeHandle, TaskGraph, arg

__all__ = ["GraphNode", "NodeHandle", "TaskGraph", "arg", "branch", "graphify"]
