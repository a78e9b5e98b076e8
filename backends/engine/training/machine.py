"""A few words on the machine that a figure was measured on."""

import os
import platform

import torch


def machine(device: str) -> dict[str, str | int]:
    """Processor or accelerator, cores, and the torch version."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else platform.machine()
    return {"device": device, "processor": name, "cores": os.cpu_count() or 1, "torch": torch.__version__}
