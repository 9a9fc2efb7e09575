from collections.abc import Iterator

import pytest

from integrations.sandbox.process import Process, start
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.receiver import Receiver
from tests.integrations.sandbox.scene import Billit, Toggl, small_world


@pytest.fixture(scope="session")
def process() -> Iterator[Process]:
    with start("empty") as running:
        yield running


@pytest.fixture(autouse=True)
def control(process: Process) -> Remote:
    """The control plane of a sandbox that holds the small world anew."""
    process.control.load(small_world())
    return process.control


@pytest.fixture
def toggl(process: Process) -> Iterator[Toggl]:
    client = Toggl(process)
    yield client
    client.session.close()


@pytest.fixture
def billit(process: Process) -> Iterator[Billit]:
    client = Billit(process)
    yield client
    client.session.close()


@pytest.fixture
def other_billit(process: Process) -> Iterator[Billit]:
    """The user of the third company, who has nothing to do with the first two."""
    client = Billit(process, key="5ad1c0de-0000-4000-8000-000000000002", party=7003)
    yield client
    client.session.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.stop()
