#!/bin/sh
# One would guess: with PROMETHEUS_MULTIPROC_DIR set, the collector of several processes shows every metric that they
# have, or says which kinds it cannot.
# What happens: Info and Enum are accepted and never shown; a Gauge with set_function is shown as 0.0, whatever the
# function says. A plain Gauge keeps the last value of every worker that ever died, marked dead or not, one line per
# process id.
# Why it matters: "age of the oldest invoice that is due" by set_function reports 0 for ever, the very value of all is
# well, and the build that runs is not to be seen. Compute such values at scrape time, in one process.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check prometheus_client==0.26.0
"$folder/bin/python" - <<'END'
import multiprocessing
import os
import sys
import tempfile
from importlib.metadata import version


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(dir=os.path.dirname(os.path.dirname(sys.executable)))
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Info, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

age, posted = Gauge("oldest_due_seconds", "-"), Counter("posted", "-")
build, state, lag = Info("build", "-"), Enum("state", "-", states=["open", "shut"]), Gauge("lag", "-")


def work():
    age.set(42)
    lag.set_function(lambda: 42)
    build.info({"version": "1"})
    state.state("shut")
    posted.inc()


worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
mark_process_dead(worker.pid)
registry = CollectorRegistry()
MultiProcessCollector(registry)
shown = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
own = f'{{pid="{worker.pid}"}}'
print(f"prometheus_client {version('prometheus_client')}")
see("Counter", "posted_total 1.0" in shown, True)
see("Info, lines", [line for line in shown if line.startswith("build")], [])
see("Enum, lines", [line for line in shown if line.startswith("state")], [])
see("Gauge with set_function of 42", f"lag{own} 0.0" in shown, True)
see("Gauge of a process that is dead and marked so", f"oldest_due_seconds{own} 42.0" in shown, True)
END
