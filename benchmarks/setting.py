"""What was measured with: the machine and the versions."""

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from measure import HERE

_PACKAGES = ("behavstats", "msgspec", "granian", "bottle", "duckdb", "chdb", "sqlite-utils")


def describe(generator: str) -> dict[str, str]:
    """Return what tells this machine and its software from others."""
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {_file_system()}",
        "Python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "packages": packages,
        "load generator": f"{generator} {_generator_version(generator)}".strip(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _file_system() -> str:
    """Return the kind of file system that the stores are on."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    around = [mount for mount in mounts if HERE.is_relative_to(mount[0])]
    return max(around, key=lambda mount: len(mount[0]))[1]


def _generator_version(generator: str) -> str:
    if generator != "wrk":
        return version(generator)
    wrk = shutil.which("wrk") or "wrk"
    found = subprocess.run([wrk, "-v"], capture_output=True, check=False)  # noqa: S603
    return found.stdout.decode().split(" [")[0].removeprefix("wrk ").removeprefix("debian/")
