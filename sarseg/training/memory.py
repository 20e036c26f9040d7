"""How much memory a run has taken."""

import sys

import torch


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of tensors on a GPU, else of this process; 0 where not known."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
