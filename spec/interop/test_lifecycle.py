"""Sandboxes: how they begin, are found again, and end."""

import asyncio
import time

import pytest
from conftest import eventually, is_running, sh, unique_sleep
from cwsandbox import (
    Sandbox,
    SandboxDefaults,
    SandboxError,
    SandboxFailedError,
    SandboxNotFoundError,
    SandboxNotRunningError,
    SandboxStatus,
    Service,
    Session,
    results,
)


def test_the_quick_start(url, python, capsys):
    sb = Sandbox.run("echo", "Hello, World!")
    sb.stop().result()

    with Sandbox.run("sleep", "infinity", container_image="python:3.11") as sb:
        result = sb.exec(["python", "-c", "print(2 + 2)"]).result()
        print(result.stdout)

    async def awaited():
        async with Sandbox.run("sleep", "infinity") as sb:
            result = await sb.exec(["python", "-c", "print(2 + 2)"])
            print(result.stdout)

    asyncio.run(awaited())
    assert capsys.readouterr().out == "4\n\n4\n\n"


def test_a_sandbox_runs_and_stops(session):
    sandbox = session.sandbox()
    sandbox.wait(30)
    assert sandbox.status == SandboxStatus.RUNNING
    assert sandbox.runner_id
    assert sandbox.started_at is not None
    assert sandbox.get_status() == SandboxStatus.RUNNING
    sandbox.stop().result(30)
    assert sandbox.get_status() == SandboxStatus.COMPLETED
    # The client's own main command ends with 0 on SIGTERM, once it has come to set its trap.
    assert sandbox.returncode in (0, 143)


@pytest.mark.parametrize("code", [0, 3])
def test_a_main_command_that_ends_ends_the_sandbox(session, code):
    sandbox = session.sandbox(command="/bin/sh", args=["-c", f"exit {code}"])
    sandbox.wait_until_complete(30).result(30)
    assert (sandbox.status, sandbox.returncode) == (SandboxStatus.COMPLETED, code)


def test_a_main_command_that_cannot_start_fails_the_sandbox(session):
    sandbox = session.sandbox(command="no-such-command")
    with pytest.raises(SandboxFailedError):
        sandbox.wait_until_complete(30).result(30)


def test_stop_lets_the_main_command_end_itself(session):
    script = "trap 'exit 5' TERM; touch /tmp/up; while :; do sleep 0.05; done"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    eventually(lambda: sandbox.exec(["test", "-e", "/tmp/up"]).result(30).returncode == 0)
    sandbox.stop().result(30)
    assert sandbox.returncode == 5


def test_stop_kills_what_does_not_end(session):
    seconds = unique_sleep()
    script = f"trap '' TERM; sleep {seconds}; sleep {seconds}"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    sandbox.wait(30)
    eventually(lambda: is_running(seconds))
    running = sandbox.exec(["sleep", seconds])
    time.sleep(0.5)
    sandbox.stop(graceful_shutdown_seconds=1).result(30)
    assert sandbox.returncode == 137
    assert not is_running(seconds)
    assert running.result(30).returncode == 137


def test_stop_at_once(session):
    sandbox = session.sandbox(command="sleep", args=["infinity"])
    sandbox.wait(30)
    sandbox.stop(graceful_shutdown_seconds=0).result(30)
    assert sandbox.returncode in (137, 143)


def test_stop_at_any_moment_of_the_beginning(session):
    began = time.monotonic()
    for delay in [0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16]:
        sandbox = session.sandbox()
        sandbox.start().result(30)
        time.sleep(delay)
        sandbox.stop().result(30)
        assert sandbox.get_status() == SandboxStatus.COMPLETED
    # None of them waited for the ten seconds that a main command is given.
    assert time.monotonic() - began < 10


def test_stop_again(session):
    sandbox = session.sandbox()
    sandbox.wait(30)
    sandbox.stop().result(30)
    sandbox.stop().result(30)
    other = Sandbox.from_id(sandbox.sandbox_id).result(30)
    other.stop().result(30)


def test_nothing_runs_in_what_was_stopped(session):
    sandbox = session.sandbox()
    sandbox.wait(30)
    other = Sandbox.from_id(sandbox.sandbox_id).result(30)
    sandbox.stop().result(30)
    with pytest.raises(SandboxNotRunningError):
        sandbox.exec(["true"]).result(30)
    with pytest.raises(SandboxError) as caught:
        other.read_file("/tmp/file").result(30)
    assert caught.value.reason == "CWSANDBOX_SANDBOX_NOT_RUNNING"


def test_delete(session):
    sandbox = session.sandbox()
    sandbox.wait(30)
    Sandbox.delete(sandbox.sandbox_id).result(30)
    Sandbox.delete(sandbox.sandbox_id).result(30)
    sandbox.wait_until_complete(30, raise_on_termination=False).result(30)
    assert sandbox.status == SandboxStatus.COMPLETED


def test_a_sandbox_that_is_not_there(url):
    for operation in [Sandbox.from_id("sb-none"), Sandbox.delete("sb-none")]:
        with pytest.raises(SandboxNotFoundError) as caught:
            operation.result(30)
        assert caught.value.sandbox_id == "sb-none"
        assert caught.value.reason == "CWSANDBOX_SANDBOX_NOT_FOUND"
    Sandbox.delete("sb-none", missing_ok=True).result(30)


def test_a_sandbox_is_found_by_its_id(session):
    sandbox = session.sandbox()
    sandbox.wait(30)
    sandbox.write_file("/tmp/mine", b"here").result(30)
    found = Sandbox.from_id(sandbox.sandbox_id).result(30)
    assert found.status == SandboxStatus.RUNNING
    assert found.read_file("/tmp/mine").result(30) == b"here"
    found.stop().result(30)


def ids(sandboxes):
    return {sandbox.sandbox_id for sandbox in sandboxes}


def test_lists(session, tag):
    first = session.sandbox(tags=[tag, "first"])
    second = session.sandbox(tags=[tag, "second"])
    for sandbox in [first, second]:
        sandbox.wait(30)
    assert ids(Sandbox.list(tags=[tag]).result(30)) == ids([first, second])
    assert ids(Sandbox.list(tags=[tag, "first"]).result(30)) == ids([first])
    assert Sandbox.list(tags=["first", "second"]).result(30) == []
    first.stop().result(30)
    assert ids(Sandbox.list(tags=[tag]).result(30)) == ids([second])
    assert ids(Sandbox.list(tags=[tag], show_terminated=True).result(30)) == ids([first, second])
    assert ids(Sandbox.list(tags=[tag], status="completed").result(30)) == ids([first])
    assert ids(Sandbox.list(tags=[tag], status="running").result(30)) == ids([second])


def test_a_list_of_more_than_a_page(session, tag):
    made = [session.sandbox(command="true", tags=[tag]) for _ in range(102)]
    for sandbox in made:
        sandbox.start().result(60)
    results([sandbox.wait_until_complete(60) for sandbox in made])
    found = Sandbox.list(tags=[tag], show_terminated=True).result(30)
    assert len(found) == 102
    assert ids(found) == ids(made)


def test_the_environment(session):
    values = {"GREETING": "hello", "ODD": "a=b 'c' \"d\"\nü", "EMPTY": ""}
    with session.sandbox(environment_variables=values) as sandbox:
        script = "printf '%s|%s|%s|' \"$GREETING\" \"$ODD\" \"${EMPTY-unset}\""
        text = "".join(f"{value}|" for value in values.values())
        assert sandbox.exec(sh(script)).result(30).stdout == text
    sandbox = session.sandbox(
        command="/bin/sh", args=["-c", "test $GREETING = hello"], environment_variables=values
    )
    sandbox.wait_until_complete(30).result(30)
    assert sandbox.returncode == 0


def test_a_working_directory_for_all_commands(session):
    with session.sandbox(working_dir="/usr/bin") as sandbox:
        assert sandbox.exec(["pwd"]).result(30).stdout == "/usr/bin\n"


def test_a_lifetime(url):
    sandbox = Sandbox.run(max_lifetime_seconds=1)
    sandbox.wait(30)
    sandbox.wait_until_complete(30, raise_on_termination=False).result(30)
    assert sandbox.status == SandboxStatus.COMPLETED


def test_what_was_asked_for_is_told_again(session, tag):
    sandbox = session.sandbox(
        tags=[tag],
        resources={"cpu": "500m", "memory": "256Mi"},
        services=[Service(port=8080, name="web")],
        annotations={"made-by": "a test"},
    )
    sandbox.wait(30)
    [found] = Sandbox.list(tags=[tag]).result(30)
    for told in [sandbox, found]:
        assert told.resource_requests == {"cpu": "500m", "memory": "256Mi"}
        assert told.resource_limits == {"cpu": "500m", "memory": "256Mi"}


def test_sessions_end_their_sandboxes(url, tag):
    with Session(SandboxDefaults(tags=(tag,)), report_to=[]) as session:
        first, second = session.sandbox(), session.sandbox()
        assert first.exec(["echo", "1"]).result(30).stdout == "1\n"
        assert second.exec(["echo", "2"]).result(30).stdout == "2\n"
        found = session.list().result(30)
        assert ids(found) == ids([first, second])
        adopted = session.from_id(first.sandbox_id).result(30)
        assert adopted.sandbox_id == first.sandbox_id
        assert session.sandbox_count >= 2
    assert Sandbox.list(tags=[tag]).result(30) == []


def test_functions_run_in_sandboxes(session, python):
    factor = 3

    @session.function()
    def times(number):
        return {"product": number * factor}

    @session.function()
    def fails():
        raise ValueError("on purpose")

    assert times.remote(14).result(60) == {"product": 42}
    assert results(times.map([(1,), (2,)])) == [{"product": 3}, {"product": 6}]
    with pytest.raises(SandboxError) as caught:
        fails.remote().result(60)
    assert caught.value.exception_type == "ValueError"


def test_many_sandboxes_at_once(url, tag):
    with Session(SandboxDefaults(tags=(tag,)), report_to=[]) as session:
        sandboxes = [session.sandbox() for _ in range(12)]
        found = results([box.exec(sh(f"echo {n}")) for n, box in enumerate(sandboxes)])
        assert [result.stdout for result in found] == [f"{n}\n" for n in range(12)]
        assert len(ids(sandboxes)) == 12
