"""How much memory the processes take while they live: whether it is flat, or grows with the work that is done."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

EVERY = 2.0
"""Seconds from one look to the next."""

FLAT = 1.10
"""What the mean of the last third may be of that of the second. The first third is left out: there a process loads what
it needs and each of its threads meets its first work."""

MEANT_FROM = 10.0
"""Minutes of a soak from which on a process that is not flat makes it fail: the thirds of a shorter one are warm-up."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Kept:
    """What was seen of one process: seconds, and bytes of it and of what it has started. ``lasting``: it is to live
    through the whole soak."""

    name: str
    pid: int
    lasting: bool
    over: bool = False
    seen: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the first look to the latest."""
        return self.seen[-1][0] - self.seen[0][0] if self.seen else 0.0

    @property
    def largest(self) -> float:
        """Megabytes."""
        return max((size for _, size in self.seen), default=0) / 1e6

    def mean(self, third: int) -> float:
        """Megabytes in the first, second or last third (1 to 3) of its time; 0 where nothing was seen in it."""
        begun = self.seen[0][0] if self.seen else 0.0
        bounds = begun + self.seconds * (third - 1) / 3, begun + self.seconds * third / 3
        sizes = [size for at, size in self.seen if bounds[0] <= at <= bounds[1]]
        return sum(sizes) / len(sizes) / 1e6 if sizes else 0.0

    @property
    def ratio(self) -> float:
        """Of the last third to the second; 0 where nothing was seen."""
        second = self.mean(2)
        return self.mean(3) / second if second else 0.0


class Memory:
    """Looks at the resident memory of processes, in a thread of its own, from /proc; elsewhere it sees nothing."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def watch(self, name: str, pid: int, *, lasting: bool = False) -> None:
        """Look at this process, too, as long as it lives."""
        self.kept = [*self.kept, Kept(name, pid, lasting)]

    def leave(self, pid: int) -> None:
        """The process is ended: another one may get its number."""
        for each in self.kept:
            each.over = each.over or each.pid == pid

    def told(self) -> dict[str, str]:
        """A row for each process that lasts, and for the one of the others that lived longest."""
        lasting = [each for each in self.kept if each.lasting]
        others = sorted((each for each in self.kept if not each.lasting), key=lambda each: -each.seconds)
        return {f"memory of {each.name}": _words(each) for each in [*lasting, *others[:1]]}

    def growing(self) -> dict[str, str]:
        """Those that last and are not flat."""
        return {f"memory of {each.name}": _words(each) for each in self.kept if each.lasting and each.ratio > FLAT}

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            now = time.monotonic()
            for each in self.kept:
                size = 0 if each.over else _resident(each.pid)
                if size:
                    each.seen.append((now, size))


def _words(each: Kept) -> str:
    thirds = f"{each.mean(2):.1f} MB, then {each.mean(3):.1f} MB: {each.ratio:.2f}"
    return f"{thirds} (largest {each.largest:.1f} MB, {each.seconds / 60:.1f} min)"


def _resident(pid: int) -> int:
    """Bytes of the process and all that it has started; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, ValueError, IndexError):
        return 0
    return pages * _PAGE + sum(_resident(int(child)) for child in started)
