"""RunPod Serverless over HTTP on loopback, without a graphics card and without a bill."""

from .faults import KINDS, Fault
from .server import RunPod

__all__ = ["KINDS", "Fault", "RunPod"]
