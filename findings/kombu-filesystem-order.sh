#!/bin/sh
# One would guess: a queue of kombu's filesystem transport gives messages in the order in which they were put in, and
# the oldest first after a restart of the machine, as the files lie on disk for that.
# What happens: a message is named by the milliseconds of the *monotonic* clock and a random id, and the names are
# sorted as text. Within a millisecond order is chance. The clock begins at zero when the machine starts, so what
# waited through a restart comes after all that is put in later; and at every power of ten, as after 16 minutes and 40
# seconds, new messages pass the old, since "1000000" sorts before "999999".
# Why it matters: it is the broker for small installations without Redis. "Replace the order", "send the order" of one
# invoice can arrive turned round, and the old backlog waits longest. Order belongs into the database, not the queue.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check kombu==5.7.0
"$folder/bin/python" - <<'END'
import sys
import tempfile
from pathlib import Path
from unittest import mock

import kombu


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


def received(seconds_at_each):
    """What comes out of a queue whose message number n was put in at second seconds_at_each[n] of the clock."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "control").mkdir()
        options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": f"{folder}/control"}
        with kombu.Connection("filesystem://", transport_options=options) as connection:
            queue = connection.SimpleQueue(f"invoices-{seconds_at_each[0]}-{len(seconds_at_each)}")
            for number, seconds in enumerate(seconds_at_each):
                with mock.patch("kombu.transport.filesystem.monotonic", lambda now=seconds: now):
                    queue.put(number)
            answer = []
            for _ in seconds_at_each:
                message = queue.get(timeout=5)
                message.ack()
                answer.append(message.payload)
            queue.close()
            return answer


print(f"kombu {kombu.__version__}")
see("a second between each", received([100, 101, 102]), [0, 1, 2])
see("two, restart of the machine, two more", received([5000, 5001, 20, 30]), [2, 3, 0, 1])
see("before and after 16 min 40 s", received([999.998, 999.999, 1000.001]), [2, 0, 1])
same = received([100] * 30)
see("thirty in one millisecond, all there", sorted(same), list(range(30)))
see("thirty in one millisecond, in order", same == list(range(30)), False)
END
