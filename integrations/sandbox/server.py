"""The sandbox as a whole: both imitations and the control plane over one clock, one journal and one lock."""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

from integrations.sandbox.billit import lookups, parties, products, typecodes
from integrations.sandbox.billit.access import Billit
from integrations.sandbox.billit.orders import changes, files, orders
from integrations.sandbox.billit.orders import reading as order_reading
from integrations.sandbox.billit.sending import delivery, sending
from integrations.sandbox.billit.sending import webhooks as billit_webhooks
from integrations.sandbox.billit.sign_in import oauth
from integrations.sandbox.billit.store import Store as BillitStore
from integrations.sandbox.http.clock import Clock, moment
from integrations.sandbox.http.deliveries import Deliveries
from integrations.sandbox.http.faults import Faults
from integrations.sandbox.http.journal import Journal
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Answer, Record, Request, Server, dumps, html_answer, loads
from integrations.sandbox.toggl import plan_features, reports, subscriptions
from integrations.sandbox.toggl.access import Toggl
from integrations.sandbox.toggl.store import Store as TogglStore
from integrations.sandbox.toggl.track import dictionaries, own_entries, track, writing
from integrations.sandbox.worlds import files as worlds
from integrations.sandbox.worlds.onboarding import onboarding_file

# Importing these registers their routes.
ROUTES = (
    delivery,
    files,
    lookups,
    oauth,
    changes,
    order_reading,
    orders,
    parties,
    products,
    sending,
    typecodes,
    billit_webhooks,
    dictionaries,
    own_entries,
    plan_features,
    reports,
    subscriptions,
    track,
    writing,
)
_READS = frozenset({"GET", "HEAD"})


class Sandbox:
    """One world being served. `state` is the file that keeps it, with all orders, from one run to the next."""

    def __init__(self, world: str | Path | Record, *, state: Path | None = None, now: datetime | None = None) -> None:
        """Raises WorldError for a bad world or an unreadable state file."""
        self.lock = threading.RLock()
        self.clock = Clock()
        self.journal = Journal()
        self.deliveries = Deliveries(self.clock, self.lock)
        self.state = state
        saved = _saved(state)
        if saved is not None:
            self._build(saved["world"], saved["billit"], now)
        else:
            self.replace(world, now)
        self.deliveries.start(self.settle)

    def settle(self) -> None:
        """What is due by time alone: receivers' answers, the automatic sending of nine o'clock."""
        with self.lock:
            self.billit.settle()

    def replace(self, world: str | Path | Record, now: datetime | None = None) -> None:
        """Another world: orders, log, faults and switches start anew, and the clock is real or the world's own moment.
        Raises WorldError; the old world then stays."""
        moment_of_world = now or datetime.now(UTC)
        record = worlds.checked(world) if isinstance(world, dict) else worlds.load(world, moment_of_world)
        self._build(record, None, now)
        self.journal.clear()
        self.deliveries.clear()
        self.save()

    def _build(self, world: Record, billit_state: Record | None, now: datetime | None) -> None:
        switches = Switches()
        try:
            for name, value in world.get("switches", {}).items():
                switches.set(name, value)
            toggl = Toggl(TogglStore(world["toggl"], self.clock), self.clock, switches, self.deliveries)
            billit = Billit(
                BillitStore(world["billit"], self.clock, billit_state), self.clock, switches, self.deliveries
            )
            fixed = moment(world["now"]) if world.get("now") else None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise worlds.WorldError(f"The world {world.get('name')!r} cannot be built ({what}).") from error
        # Assigned at the end, so that a world that cannot be built leaves the old one in place.
        self.clock.fixed = now or fixed
        self.frame = {name: value for name, value in world.items() if name not in {"toggl", "billit"}}
        self.switches, self.toggl, self.billit = switches, toggl, billit
        self.faults = Faults()

    def world(self) -> Record:
        """The world as it is now, without the orders."""
        return {**self.frame, "toggl": self.toggl.store.world(), "billit": self.billit.store.world()}

    @property
    def onboarding(self) -> str:
        # Without the hours, of which there may be a million.
        people = {
            "toggl": {"users": list(self.toggl.store.users.values())},
            "billit": {"users": self.billit.store.users},
        }
        return onboarding_file({**self.frame, **people})

    def save(self) -> None:
        """Writes the state file whole or not at all."""
        if self.state is None:
            return
        with self.lock:
            text = dumps({"world": self.world(), "billit": self.billit.store.state()})
            self.state.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.state.with_name(f"{self.state.name}.{os.getpid()}.new")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.state)

    # --- answering --------------------------------------------------------------------------------------------------

    def serve(self, service: str, port: int) -> Server:
        """A listening server of `toggl` or `billit`. Raises OSError when the port is taken."""
        return Server(service, port, self._answer, after=self.deliveries.release)

    def _answer(self, request: Request) -> Answer:
        imitation: Toggl | Billit = self.toggl if request.service == "toggl" else self.billit
        journal, row = self.journal, self.journal.open(request)
        fault = self.faults.find(request, imitation.tenants(request))
        row["fault"] = fault.kind if fault else None
        answer = fault.before() if fault else None
        if fault and fault.kind == "expire_token":
            with self.lock:
                answer = imitation.expire(request)
        if answer is None:
            answer = self._worked(imitation, request)
            if fault:
                answer = fault.after(answer)
        self.deliveries.send_early()
        if answer.ending != "whole":
            self.deliveries.release()  # the client gets no whole answer to wait for
        journal.close(row, answer)
        return answer

    def _worked(self, imitation: Toggl | Billit, request: Request) -> Answer:
        with self.lock:
            try:
                answer = imitation.answer(request)
            except Exception:  # a fault of the imitation itself must reach whoever runs it
                traceback.print_exc()
                return html_answer(500, "500 Internal Server Error")
            reading = request.method in _READS or request.path.startswith("/reports/")
            if not reading and answer.status < 300:
                self.save()
            return answer


def _saved(state: Path | None) -> Record | None:
    """The saved state, None when there is none yet. Raises WorldError when it cannot be read."""
    if state is None:
        return None
    with contextlib.suppress(FileNotFoundError):
        try:
            saved = loads(state.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, ValueError) as error:
            raise worlds.WorldError(f"The state file {str(state)!r} is no JSON ({error}); delete it.") from None
        except FileNotFoundError:
            raise
        except OSError as error:
            raise worlds.WorldError(f"The state file {str(state)!r} cannot be read: {error}.") from None
        if not isinstance(saved, dict) or not {"world", "billit"} <= set(saved):
            raise worlds.WorldError(f"The state file {str(state)!r} is not one of the sandbox; delete it.")
        return saved
    return None
