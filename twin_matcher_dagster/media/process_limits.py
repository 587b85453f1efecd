"""What a child process that reads what strangers hand in may use of the machine."""

from __future__ import annotations

import resource
from contextlib import suppress


def limit_this_process(
    address_space: int, cpu_s: float | None = None, memory: int | None = None
) -> None:
    """No more memory or processor time than is needed, and no files written.

    Args:
        address_space: bytes; macOS knows no such limit.
        cpu_s: seconds of the processor, from the start of the process.
        memory: bytes that can be written to; address space alone is more than what is used.
    """
    limits = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        **({} if cpu_s is None else {resource.RLIMIT_CPU: int(cpu_s)}),
        **({} if memory is None else {resource.RLIMIT_DATA: memory}),
    }
    for what, most in limits.items():
        _, hard = resource.getrlimit(what)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # At the hard limit of time the system kills without saying why.
        is_time = what == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (limit, limit + is_time))


def allow_more_time(cpu_s: float) -> None:
    """So many more seconds of the processor from now on, then the process ends."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + cpu_s) + 1
    with suppress(ValueError, OSError):
        resource.setrlimit(
            resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
        )
