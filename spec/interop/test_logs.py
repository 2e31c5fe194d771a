"""Logs: the output of a main command, at once and as it comes."""

import datetime
import time

import pytest
from conftest import eventually, sh
from cwsandbox import SandboxNotRunningError

KEEP = "exec sleep infinity"


def lines_of(sandbox, **options):
    return list(sandbox.stream_logs(**options))


@pytest.fixture(scope="module")
def talker(session):
    """A sandbox whose main command has said ten lines, one of them on its standard error, and goes on."""
    script = f"for n in 1 2 3 4 5 6 7 8 9; do echo line $n; done; echo line 10 >&2; {KEEP}"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    sandbox.wait(30)
    eventually(lambda: len(lines_of(sandbox)) == 10)
    return sandbox


def test_what_was_said(talker):
    assert sorted(lines_of(talker)) == sorted(f"line {n}\n" for n in range(1, 11))


def test_what_other_commands_say_is_no_log(talker):
    talker.exec(["echo", "not this"]).result(30)
    assert len(lines_of(talker)) == 10


def test_the_last_lines(talker):
    every = lines_of(talker)
    assert lines_of(talker, tail_lines=3) == every[-3:]
    assert lines_of(talker, tail_lines=1) == every[-1:]
    assert lines_of(talker, tail_lines=1000) == every


def test_since(talker):
    now = datetime.datetime.now(datetime.UTC)
    assert lines_of(talker, since_time=now + datetime.timedelta(hours=1)) == []
    assert len(lines_of(talker, since_time=now - datetime.timedelta(hours=1))) == 10


def test_since_between_two_lines(session):
    script = f"echo before; sleep 1; echo after; {KEEP}"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    sandbox.wait(30)
    eventually(lambda: lines_of(sandbox) == ["before\n"])
    between = datetime.datetime.now(datetime.UTC)
    eventually(lambda: len(lines_of(sandbox)) == 2)
    assert lines_of(sandbox, since_time=between) == ["after\n"]
    sandbox.stop().result(30)


def test_timestamps(talker):
    now = datetime.datetime.now(datetime.UTC)
    for line in lines_of(talker, timestamps=True):
        stamp, text = line.split(" ", 1)
        assert abs(now - datetime.datetime.fromisoformat(stamp)) < datetime.timedelta(minutes=2)
        assert text.startswith("line ")
    assert len(lines_of(talker, timestamps=True, tail_lines=2)) == 2


def test_following_gives_lines_as_they_come_and_ends_with_the_command(session):
    script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second; printf last"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    sandbox.wait(30)
    reader = iter(sandbox.stream_logs(follow=True))
    assert next(reader) == "first\n"
    sandbox.write_file("/tmp/go", b"").result(30)
    assert list(reader) == ["second\n", "last"]


def test_following_from_the_last_line(talker):
    reader = talker.stream_logs(follow=True, tail_lines=2)
    stream = iter(reader)
    assert [next(stream), next(stream)] == lines_of(talker)[-2:]
    reader.close()


def test_following_a_command_that_says_nothing_ends_with_it(session):
    sandbox = session.sandbox(command="sleep", args=["1"])
    sandbox.wait(30)
    assert lines_of(sandbox, follow=True) == []


def test_following_ends_with_the_sandbox(session):
    sandbox = session.sandbox(command="/bin/sh", args=["-c", f"echo up; {KEEP}"])
    sandbox.wait(30)
    reader = iter(sandbox.stream_logs(follow=True))
    assert next(reader) == "up\n"
    sandbox.stop(graceful_shutdown_seconds=0).result(30)
    assert list(reader) == []


def test_a_lot_of_output_is_followed_without_loss(session):
    script = f"sleep 0.5; seq 20000; {KEEP}"
    sandbox = session.sandbox(command="/bin/sh", args=["-c", script])
    sandbox.wait(30)
    reader = sandbox.stream_logs(follow=True)
    stream = iter(reader)
    assert [next(stream) for _ in range(20_000)] == [f"{n}\n" for n in range(1, 20_001)]
    reader.close()
    sandbox.stop(graceful_shutdown_seconds=0).result(30)


def test_a_stopped_sandbox_cannot_be_followed(session):
    sandbox = session.sandbox(command="/bin/sh", args=["-c", f"echo up; {KEEP}"])
    sandbox.wait(30)
    sandbox.stop(graceful_shutdown_seconds=0).result(30)
    with pytest.raises(SandboxNotRunningError):
        lines_of(sandbox, follow=True)


def test_closing_a_reader_leaves_the_sandbox_alone(talker):
    reader = talker.stream_logs(follow=True)
    next(iter(reader))
    reader.close()
    time.sleep(0.1)
    assert talker.exec(sh("echo well")).result(30).stdout == "well\n"
