"""Graphics processors, asked through `nvidia-smi`: which there are, who holds their memory. Nothing where it is absent."""

import shutil
import subprocess
import time
from collections.abc import Collection, Mapping

from app.errors import Refused

CPU = "cpu"


def devices(setting: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The devices gpu jobs run on: numbers of GPUs, or 'cpu' alone. Raises Refused for a setting that names none.

    `auto` takes what `CUDA_VISIBLE_DEVICES` or nvidia-smi lists, and the CPU where there is no GPU.
    """
    if setting != "auto":
        found = tuple(dict.fromkeys(part.strip() for part in setting.split(",") if part.strip()))
        if not found or not all(name == CPU or (name.isascii() and name.isdigit()) for name in found):
            raise Refused(f"SUBTEXT_DEVICES is 'auto', 'cpu' or numbers of GPUs by comma, not {setting!r}.")
        return found
    listed = [line.strip() for line in _ask("--query-gpu=index") if line.strip().isdigit()]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if listed and visible is not None:
        listed = [name.strip() for name in visible.split(",") if name.strip()]
    return tuple(listed) or (CPU,)


def held(pids: Collection[int]) -> int:
    """MiB of GPU memory that these processes still hold; 0 also where it cannot be known."""
    total = 0
    for line in _ask("--query-compute-apps=pid,used_memory"):
        pid, _, memory = line.partition(",")
        if pid.strip().isdigit() and int(pid) in pids and memory.strip().isdigit():
            total += int(memory)
    return total


def held_after(pids: Collection[int], seconds: float = 5.0) -> int:
    """What ended processes still hold, in MiB, once the driver had some seconds to clear up behind them."""
    until = time.monotonic() + seconds
    while (left := held(pids)) and time.monotonic() < until:
        time.sleep(0.5)
    return left


def memory(device: str) -> str:
    """'80 of 81920 MiB in use' for a device, '' where it cannot be known; of several, by comma, each with its number."""
    if "," in device:
        known = [(one, said) for one in device.split(",") if (said := memory(one))]
        return ", ".join(f"{one}: {said}" for one, said in known)
    if not device.isdigit():
        return ""
    found = _ask("--query-gpu=memory.used,memory.total", f"--id={device}")
    used, _, total = (found[0] if found else "").partition(",")
    return f"{used.strip()} of {total.strip()} MiB in use" if used.strip().isdigit() else ""


def room(device: str) -> tuple[int, int] | None:
    """Free and whole memory of a GPU in bytes; None where it cannot be known."""
    found = _ask("--query-gpu=memory.free,memory.total", f"--id={device}") if device.isdigit() else []
    free, _, total = (found[0] if found else "").partition(",")
    return (int(free) << 20, int(total) << 20) if free.strip().isdigit() and total.strip().isdigit() else None


def _ask(*query: str) -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, *query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
