"""In which precision matrix products of a training are made."""

import torch


def autocast(device: torch.device) -> torch.autocast:
    """Matrix products in bfloat16 where that is faster, in float32 everywhere else."""
    return torch.autocast(device.type, torch.bfloat16, enabled=pays(device))


def pays(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 by itself; where it does not, it takes 100 x as long.

    Before torch had `get_capabilities`, a CPU could not be asked: it gets float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))  # Ampere
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(able.get(name) for name in ("amx_bf16", "avx512_bf16"))
