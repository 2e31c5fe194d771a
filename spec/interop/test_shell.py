"""Terminals."""

import pytest
from conftest import eventually, is_running, sh, unique_sleep
from cwsandbox import SandboxExecutionError


def all_of(terminal):
    return b"".join(terminal.output).decode()


def test_a_shell_is_typed_to(sandbox):
    terminal = sandbox.shell(width=100, height=30)
    terminal.stdin.write(b"stty size; echo $((6 * 7))\n").result(30)
    terminal.stdin.write(b"exit 4\n").result(30)
    output = all_of(terminal)
    assert "30 100" in output
    assert "42" in output
    assert terminal.wait(30) == 4


def test_a_command_in_a_terminal(sandbox):
    terminal = sandbox.shell(sh("test -t 0 && test -t 1 && echo yes >&2; exit 3"))
    assert "yes\r\n" in all_of(terminal)
    result = terminal.result(30)
    assert result.returncode == 3


def test_a_size_when_none_is_given(sandbox):
    assert "24 80" in all_of(sandbox.shell(["stty", "size"]))


def test_a_change_of_the_size(sandbox):
    script = "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"
    terminal = sandbox.shell(sh(script), width=80, height=24)
    stream = iter(terminal.output)
    assert b"ready" in next(stream)
    terminal.resize(132, 50)
    assert "50 132" in b"".join(stream).decode()
    assert terminal.wait(30) == 0


def test_keys_that_mean_something(sandbox):
    script = "trap 'echo stopped; exit 9' INT; echo ready; while :; do sleep 0.05; done"
    terminal = sandbox.shell(sh(script))
    stream = iter(terminal.output)
    assert b"ready" in next(stream)
    terminal.stdin.write(b"\x03").result(30)
    assert "stopped" in b"".join(stream).decode()
    assert terminal.wait(30) == 9

    terminal = sandbox.shell(["cat"])
    terminal.stdin.write(b"\x04").result(30)
    assert terminal.wait(30) == 0


def test_closing_the_input_ends_a_reader(sandbox):
    terminal = sandbox.shell(["cat"])
    terminal.stdin.write(b"line\n").result(30)
    terminal.stdin.close().result(30)
    assert all_of(terminal).startswith("line\r\n")
    assert terminal.wait(30) == 0


def test_a_terminal_that_is_left_is_ended(sandbox):
    seconds = unique_sleep()
    terminal = sandbox.shell(["sleep", seconds])
    eventually(lambda: is_running(seconds))
    terminal.output.close()
    eventually(lambda: not is_running(seconds))


def test_a_command_that_is_not_there(sandbox):
    terminal = sandbox.shell(["no-such-command"])
    with pytest.raises(SandboxExecutionError) as caught:
        terminal.result(30)
    assert caught.value.reason == "COMMAND_NOT_FOUND"
