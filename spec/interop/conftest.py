"""A host that runs for all tests, and sandboxes on it."""

import os
import re
import shlex
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

HERE = Path(__file__).parent

CLI = HERE / "../../dist/cli.js"


def isolation():
    """Bubblewrap, where it works; in CI it has to."""
    probe = "unshare --user --map-root-user bwrap --unshare-pid --unshare-net --ro-bind / / true"
    if shutil.which("bwrap") and subprocess.run(shlex.split(probe), check=False).returncode == 0:
        return "bubblewrap"
    if os.environ.get("CI"):
        raise RuntimeError("bubblewrap does not work here; CI needs it")
    print("bubblewrap does not work here, so the host runs without: apt-get install bubblewrap")
    return "none"


def serve_command(data):
    """What serves: any command whose first line of output has the URL."""
    own = (
        f"node {shlex.quote(str(CLI))} serve --port 0 --log-level error"
        f" --isolation {isolation()} --data {shlex.quote(str(data))}"
    )
    return os.environ.get("SANDBOX_RX_SERVE") or own


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """The address of a host; the client finds it by its environment, as a user's would."""
    command = serve_command(tmp_path_factory.mktemp("host"))
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True) as host:
        try:
            found = re.search(r"http://\S+", host.stdout.readline())
            assert found, f"{command} did not tell its URL"
            os.environ["CWSANDBOX_BASE_URL"] = found[0]
            os.environ.pop("CWSANDBOX_API_KEY", None)
            os.environ["no_proxy"] = "localhost,127.0.0.1"
            yield found[0]
        finally:
            host.terminate()
            try:
                host.wait(30)
            except subprocess.TimeoutExpired:
                host.kill()
                raise


@pytest.fixture(scope="session")
def session(url):
    """A session that ends what the tests leave behind."""
    from cwsandbox import Session

    with Session(report_to=[]) as session:
        yield session


@pytest.fixture(scope="module")
def sandbox(session):
    """A sandbox that the tests of a file share: what one does must not break it for the next."""
    sandbox = session.sandbox()
    sandbox.wait(30)
    yield sandbox
    sandbox.stop().result(30)


@pytest.fixture
def tag():
    """A tag that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def python(sandbox):
    """Needs the `python` that the image of the client's defaults has; our sandboxes have what the machine has."""
    if sandbox.exec(["/bin/sh", "-c", "command -v python"]).result(30).returncode != 0:
        hint = "there is no /usr/bin/python for sandboxes: apt-get install python-is-python3"
        if os.environ.get("CI"):
            pytest.fail(hint)
        pytest.skip(hint)


@pytest.fixture
def isolated(sandbox):
    """Needs sandboxes that are kept from the machine; in CI they are, or the host does not start."""
    if sandbox.exec(["test", "-w", "/usr"]).result(30).returncode == 0:
        pytest.skip("bubblewrap does not work here: apt-get install bubblewrap")


def sh(script):
    """A command that runs a script."""
    return ["/bin/sh", "-c", script]


def is_running(argument):
    """Whether any process of this machine has this argument: sandboxes cannot hide theirs from it."""
    wanted = argument.encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def eventually(condition, seconds=10):
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)


def unique_sleep():
    """A number of seconds that no other `sleep` has."""
    return f"{900 + uuid.uuid4().int % 90}.{uuid.uuid4().int % 10**9:09d}"
