"""Ports of sandboxes that are reached from outside."""

import urllib.request

import pytest
from conftest import eventually
from cwsandbox import Endpoint, Sandbox, SandboxError, Service, list_runners

SERVER = {"command": "python", "args": ["-m", "http.server", "8080"]}


def body(url):
    """What a server answers, if there is one yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return None


@pytest.mark.parametrize(
    "options",
    [{"visibility": "public"}, {"visibility": "private"}],
    ids=["public", "private"],
)
def test_a_service_is_reached_by_its_url(session, python, isolated, options):
    service = Service(port=8080, name="web", **options)
    with session.sandbox(services=[service], **SERVER) as sandbox:
        sandbox.wait(30)
        [(port, name, url)] = sandbox.service_urls
        assert (port, name) == (8080, "web")
        assert url.startswith("http://")
        assert sandbox.exposed_ports == ((8080, "web"),)
        eventually(lambda: "Directory listing" in (body(url) or ""), 30)
        assert Sandbox.from_id(sandbox.sandbox_id).result(30).service_urls == sandbox.service_urls
        sandbox.stop().result(30)
        assert body(url) is None


def test_an_endpoint_is_reached_without_tls(session, python, isolated):
    """There is nobody here to speak TLS in a sandbox's place, so its URL says so."""
    service = Service(port=8080, visibility="public", endpoint=Endpoint(kind="https", auth="open"))
    with session.sandbox(services=[service], **SERVER) as sandbox:
        sandbox.wait(30)
        [(_, _, url)] = sandbox.service_urls
        eventually(lambda: "Directory listing" in (body(url) or ""), 30)


def test_a_service_that_nobody_may_see_has_no_url(session):
    with session.sandbox(services=[Service(port=8080, name="web")]) as sandbox:
        sandbox.wait(30)
        assert not sandbox.service_urls


@pytest.mark.parametrize(
    "options",
    [{"visibility": "custom"}, {"visibility": "public", "protocol": "udp"}],
    ids=["rules", "udp"],
)
def test_what_cannot_be_had_is_refused_at_the_creation(session, options):
    with pytest.raises(SandboxError) as caught:
        session.sandbox(services=[Service(port=8080, **options)]).start().result(30)
    assert caught.value.reason == "CWSANDBOX_NOT_IMPLEMENTED"


def test_the_runner_says_who_can_reach_services(url):
    assert len(list_runners(service_visibility="public")) == 1
    assert list_runners(service_visibility="custom") == []
