"""`manage.py doctor`: whether the installation is well, in plain words (design section 10)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from toggbill.firms.management.command import DONE, WRONG, JsonCommand
from toggbill.watching import doctor


class Command(JsonCommand):
    """Exit 1 when a check is not well; each is named, and says what to do."""

    help = "Look at configuration, keys, clock, database, broker, migrations, static files, connections and workers."
    requires_system_checks: list[str] = []

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Ask every check."""
        checks = doctor.examine()
        for check in checks:
            self.say(f"{'well ' if check.ok else 'WRONG'}  {check.name}: {check.text}")
        ok = all(check.ok for check in checks)
        return {"ok": ok, "checks": [asdict(check) for check in checks]}, DONE if ok else WRONG
