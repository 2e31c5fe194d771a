"""What is beside sandboxes: runners, and what this host does not have."""

import grpc
import pytest
from cwsandbox import (
    EgressRule,
    NetworkOptions,
    RunnerNotFoundError,
    Sandbox,
    SandboxError,
    SandboxUnavailableError,
    Secret,
    get_runner,
    list_runners,
)
from cwsandbox._proto import sandbox_pb2, sandbox_template_pb2, sandbox_template_pb2_grpc


def test_the_runner(url, session):
    [found] = list_runners()
    assert found.healthy
    assert found.supported_architectures in (("amd64",), ("arm64",))
    assert found.connected_at is not None
    assert get_runner(found.runner_id, organization_id="any").runner_id == found.runner_id
    sandbox = session.sandbox(runner_ids=[found.runner_id])
    sandbox.wait(30)
    assert sandbox.runner_id == found.runner_id
    assert sandbox.runner_group_id == found.runner_group_id


def test_what_the_runner_does(sandbox):
    [found] = list_runners(include_resources=True)
    assert found.resources.running_sandboxes >= 1
    assert len(list_runners(architecture=found.supported_architectures[0], healthy_only=True)) == 1
    assert list_runners(runner_group_id="none") == []
    assert list_runners(gpu_type="H100") == []


def test_a_runner_that_is_not_there(url):
    with pytest.raises(RunnerNotFoundError) as caught:
        get_runner("none", organization_id="any")
    assert caught.value.runner_id == "none"
    assert caught.value.reason == "CWSANDBOX_RUNNER_NOT_FOUND"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"secrets": [Secret(store="store", name="name", env_var="SECRET")]}, SandboxError),
        ({"network": NetworkOptions(egress=[EgressRule(dns_name="pypi.org")])}, SandboxError),
    ],
    ids=["secrets", "egress"],
)
def test_what_the_host_does_not_have_is_refused_at_the_creation(session, options, error):
    with pytest.raises(error) as caught:
        session.sandbox(**options).start().result(30)
    assert caught.value.reason == "CWSANDBOX_NOT_IMPLEMENTED"


def test_the_network_is_closed(session, isolated):
    with session.sandbox(network=NetworkOptions(deny_egress=True)) as sandbox:
        devices = sandbox.exec(["cat", "/proc/net/dev"]).result(30).stdout
        assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]


def test_another_container_than_the_one(sandbox):
    assert sandbox.exec(["echo", "here"], container="main").result(30).stdout == "here\n"
    with pytest.raises(SandboxError) as caught:
        sandbox.exec(["true"], container="other").result(30)
    assert caught.value.reason == "CWSANDBOX_INVALID_REQUEST"


def test_a_connection_to_the_sandbox_itself_is_not_offered(session):
    """What the client tries before every operation, unless it is told not to; the host need not know of it."""
    with session.sandbox(data_plane_mode="direct") as direct:
        with pytest.raises(SandboxUnavailableError):
            direct.exec(["true"]).result(30)
    with session.sandbox(data_plane_mode="gateway") as gateway:
        assert gateway.exec(["echo", "ok"]).result(30).stdout == "ok\n"


def test_a_sandbox_from_a_template(url, tag):
    spec = sandbox_pb2.PartialSandboxSpec(
        containers=[sandbox_pb2.PartialContainer(name="main", command="sleep", args=["60"])],
        tags=["template"],
    )
    template = sandbox_template_pb2.SandboxTemplate(display_name=tag, spec=spec)
    with grpc.insecure_channel(url.removeprefix("http://")) as channel:
        stub = sandbox_template_pb2_grpc.SandboxTemplateServiceStub(channel)
        stub.CreateSandboxTemplate(
            sandbox_template_pb2.CreateSandboxTemplateRequest(sandbox_template=template)
        )
    with Sandbox.run_from_template(tag) as sandbox:
        sandbox.wait(30)
        assert sandbox.exec(["echo", "ok"]).result(30).stdout == "ok\n"


def test_a_template_that_is_not_there(url):
    with pytest.raises(SandboxError) as caught:
        Sandbox.run_from_template("absent")
    assert caught.value.reason == "CWSANDBOX_TEMPLATE_NOT_FOUND"
