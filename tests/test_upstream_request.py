"""`headgate.upstream.request`: URLs read, heads written, and nothing smuggled into either."""

from __future__ import annotations

import pytest

from headgate._version import __version__
from headgate.errors import UsageError
from headgate.messages import HttpRequest
from headgate.upstream.request import Origin, RequestWriter, parse_base_url

LOCAL = Origin("127.0.0.1", 8080, tls=False, prefix="")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", LOCAL),
        ("http://127.0.0.1:8080/", LOCAL),
        ("http://engine", Origin("engine", 80, tls=False, prefix="")),
        ("https://engine.example/openai/", Origin("engine.example", 443, tls=True, prefix="/openai")),
        ("HTTP://Engine:1", Origin("engine", 1, tls=False, prefix="")),
        ("http://[::1]:8080", Origin("::1", 8080, tls=False, prefix="")),
        ("http://engine/a%20b", Origin("engine", 80, tls=False, prefix="/a%20b")),
    ],
)
def test_a_base_url_is_read(url: str, expected: Origin) -> None:
    assert expected == parse_base_url(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8080", "expected a base URL such as"),
        ("localhost:8080", "expected a base URL such as"),
        ("ftp://engine", "expected a base URL such as"),
        ("http://", "expected a base URL such as"),
        ("", "expected a base URL such as"),
        ("http://engine:99999", "port"),
        ("http://engine:x", "port"),
        ("http://[::1", "expected a host and a port"),
        ("http://engine?key=1", "query"),
        ("http://engine#top", "fragment"),
        ("http://eng ine", "space"),
        ("http://engine\r\nx: y", "space"),
        ("http://motör", "beyond ASCII"),
    ],
)
def test_a_base_url_that_cannot_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_base_url(url)


@pytest.mark.parametrize("url", ["http://user:pass@engine", "user:pass@engine", "http://pass@engine:8080/x"])
def test_credentials_in_a_url_are_refused_and_not_repeated(url: str) -> None:
    """URLs end up in logs and error messages."""
    with pytest.raises(UsageError, match="as a header instead") as raised:
        parse_base_url(url)

    assert "pass@" not in str(raised.value).replace("user:password@host", "")


def test_a_key_in_a_query_is_not_repeated() -> None:
    with pytest.raises(UsageError) as raised:
        parse_base_url("http://engine?key=secret")

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("origin", "where", "authority"),
    [
        (LOCAL, "127.0.0.1:8080", "127.0.0.1:8080"),
        (Origin("engine", 80, tls=False, prefix=""), "engine:80", "engine"),
        (Origin("engine", 443, tls=True, prefix=""), "engine:443", "engine"),
        (Origin("engine", 443, tls=False, prefix=""), "engine:443", "engine:443"),
        (Origin("::1", 80, tls=False, prefix=""), "[::1]:80", "[::1]"),
    ],
)
def test_the_host_header_leaves_out_the_usual_port(origin: Origin, where: str, authority: str) -> None:
    assert (where, authority) == (origin.where, origin.authority)


def test_a_post_says_everything_that_an_engine_needs() -> None:
    writer = RequestWriter(LOCAL._replace(prefix="/up"), [("Authorization", "Bearer k")])
    request = HttpRequest(path="/v1/chat/completions", headers=(("Content-Type", "application/json"),), body=b"{}")
    expected = (
        "POST /up/v1/chat/completions HTTP/1.1\r\n"
        "host: 127.0.0.1:8080\r\n"
        f"user-agent: headgate/{__version__}\r\n"
        "authorization: Bearer k\r\n"
        "accept-encoding: identity\r\n"
        "connection: keep-alive\r\n"
        "content-type: application/json\r\n"
        "content-length: 2\r\n"
        "\r\n"
    )

    assert expected.encode() == writer.head(request)


def test_each_request_says_its_own_headers_and_length() -> None:
    """What is remembered of the one before is only what both have."""
    writer = RequestWriter(LOCAL)
    first = writer.head(HttpRequest(path="/x", headers=(("a", "1"),), body=b"{}"))
    second = writer.head(HttpRequest(path="/x", body=b"[1]"))

    assert b"a: 1\r\ncontent-length: 2\r\n\r\n" in first
    assert second == first.replace(b"a: 1\r\ncontent-length: 2", b"content-length: 3")
    assert second.replace(b"POST", b"GET").replace(b"content-length: 3\r\n", b"") == writer.head(
        HttpRequest(method="GET", path="/x")
    )


def test_what_is_remembered_of_requests_has_a_bound() -> None:
    """A path may come from a client."""
    writer = RequestWriter(LOCAL)
    heads = [writer.head(HttpRequest(path=f"/{number}")) for number in range(200)]

    assert heads == [writer.head(HttpRequest(path=f"/{number}")) for number in range(200)]
    assert 64 == len(writer._starts)


def test_an_empty_post_says_so_and_a_get_does_not() -> None:
    writer = RequestWriter(LOCAL)

    assert b"content-length: 0\r\n" in writer.head(HttpRequest(path="/x"))
    assert b"content-length" not in writer.head(HttpRequest(method="GET", path="/x"))


def test_the_upstreams_own_header_wins() -> None:
    """A client's key must not reach the engine in place of ours, nor both."""
    writer = RequestWriter(LOCAL, [("authorization", "ours"), ("Host", "virtual")])
    head = writer.head(HttpRequest(path="/", headers=(("Authorization", "theirs"), ("HOST", "theirs"))))

    assert b"authorization: ours\r\n" in head
    assert b"host: virtual\r\n" in head
    assert b"theirs" not in head


@pytest.mark.parametrize("bad", ["\r", "\n", "\r\nx: y", "\0", "\x7f", "…"])
def test_no_header_value_can_end_its_line(bad: str) -> None:
    """Else a value could write headers, or whole requests, of its own."""
    writer = RequestWriter(LOCAL)

    with pytest.raises(UsageError, match="value of the header x") as raised:
        writer.head(HttpRequest(path="/", headers=(("x", f"secret{bad}"),)))
    with pytest.raises(UsageError, match="value of the header x"):
        RequestWriter(LOCAL, [("x", f"secret{bad}")])

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ä", "a\0"])
def test_no_header_name_can_be_more_than_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="header name"):
        RequestWriter(LOCAL).head(HttpRequest(path="/", headers=((name, "x"),)))


@pytest.mark.parametrize("path", ["", "v1", "/a b", "/a\r\nx: y", "/ä", "/a\0", "/a#b", "http://other/"])
def test_no_path_can_be_more_than_a_path(path: str) -> None:
    with pytest.raises(UsageError, match="expected a path"):
        RequestWriter(LOCAL).head(HttpRequest(path=path))


@pytest.mark.parametrize("method", ["", "HEAD", "CONNECT", "get", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"])
def test_only_methods_whose_replies_are_understood_are_sent(method: str) -> None:
    with pytest.raises(UsageError, match="expected a method"):
        RequestWriter(LOCAL).head(HttpRequest(method=method, path="/"))


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Connection", "accept-encoding", "TE", "upgrade"]
)
def test_what_frames_a_request_is_not_for_callers(name: str) -> None:
    """Two lengths, or a length and chunks, are how requests are smuggled."""
    with pytest.raises(UsageError, match="written by the connection itself"):
        RequestWriter(LOCAL, [(name, "5")])
