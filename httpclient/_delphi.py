"""Where the names of this package come from. Delphi: units Grijjy.Http and Grijjy.Uri."""

# ruff: noqa: E501 - one declaration, one line

from __future__ import annotations

from linuxapi._mapping import Ported


def _new(why: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


PORTED: tuple[Ported, ...] = (
    Ported("Grijjy.Http.BUFFER_SIZE", "const", "httpclient.BUFFER_SIZE"),
    Ported("Grijjy.Http.TIMEOUT_CONNECT", "const", "httpclient.TIMEOUT_CONNECT"),
    Ported("Grijjy.Http.TIMEOUT_RECV", "const", "httpclient.TIMEOUT_RECV"),
    Ported("Grijjy.Http.S_CONTENT_LENGTH", "const", "httpclient.S_CONTENT_LENGTH"),
    Ported("Grijjy.Http.S_CONTENT_TYPE", "const", "httpclient.S_CONTENT_TYPE"),
    Ported("Grijjy.Http.S_TRANSFER_ENCODING", "const", "httpclient.S_TRANSFER_ENCODING"),
    Ported("Grijjy.Http.S_CHUNKED", "const", "httpclient.S_CHUNKED"),
    Ported("Grijjy.Http.S_CHARSET", "const", "httpclient.S_CHARSET"),
    Ported("Grijjy.Http.CRLF", "const", "httpclient.CRLF"),
    Ported("Grijjy.Http.DEFAULT_HTTP_PORT", "const", "httpclient.DEFAULT_HTTP_PORT"),
    Ported("Grijjy.Http.DEFAULT_HTTPS_PORT", "const", "httpclient.DEFAULT_HTTPS_PORT"),
    Ported("Grijjy.Http.INTERVAL_CLEANUP", "const", "httpclient.INTERVAL_CLEANUP"),
    Ported("Grijjy.Http.TOnRedirect", "type", "httpclient.TOnRedirect"),
    Ported("Grijjy.Http.TOnPassword", "type", "httpclient.TOnPassword"),
    Ported("Grijjy.Http.TOnRecv", "type", "httpclient.TOnRecv"),
    Ported("Grijjy.Http.TOnSent", "type", "httpclient.TOnSent"),
    Ported("Grijjy.Http.ISO8859String", "type", "httpclient.ISO8859String"),
    Ported("Grijjy.Http.TThreadSafeBuffer", "class", "httpclient.TThreadSafeBuffer"),
    Ported("Grijjy.Http.TThreadSafeBuffer.Create", "constructor", "httpclient.TThreadSafeBuffer.__init__"),
    Ported(
        "Grijjy.Http.TThreadSafeBuffer.Destroy", "destructor", "httpclient.TThreadSafeBuffer.clear",
        "there is nothing to free: closing is leaving it to Python, and clear() empties it",
    ),
    Ported("Grijjy.Http.TThreadSafeBuffer.Write", "procedure", "httpclient.TThreadSafeBuffer.write"),
    Ported("Grijjy.Http.TThreadSafeBuffer.Read", "function", "httpclient.TThreadSafeBuffer.read"),
    Ported("Grijjy.Http.TThreadSafeBuffer.ReadTo", "function", "httpclient.TThreadSafeBuffer.read_to"),
    Ported("Grijjy.Http.TThreadSafeBuffer.Clear", "procedure", "httpclient.TThreadSafeBuffer.clear"),
    Ported("Grijjy.Http.TThreadSafeBuffer.Log", "procedure", "httpclient.TThreadSafeBuffer.log"),
    Ported("Grijjy.Http.TThreadSafeBuffer.Size", "property", "httpclient.TThreadSafeBuffer.size"),
    Ported("Grijjy.Http.TgoHttpClientState", "type", "httpclient.TgoHttpClientState"),
    Ported("Grijjy.Http.TgoHttpClientState.None", "enumvalue", "httpclient.TgoHttpClientState.NONE"),
    Ported("Grijjy.Http.TgoHttpClientState.Error", "enumvalue", "httpclient.TgoHttpClientState.ERROR"),
    Ported("Grijjy.Http.TgoHttpClientState.Sending", "enumvalue", "httpclient.TgoHttpClientState.SENDING"),
    Ported("Grijjy.Http.TgoHttpClientState.Receiving", "enumvalue", "httpclient.TgoHttpClientState.RECEIVING"),
    Ported("Grijjy.Http.TgoHttpClientState.Finished", "enumvalue", "httpclient.TgoHttpClientState.FINISHED"),
    Ported("Grijjy.Http.TgoHttpHeader", "record", "httpclient.TgoHttpHeader"),
    Ported("Grijjy.Http.TgoHttpHeader.Name", "field", "httpclient.TgoHttpHeader.name"),
    Ported("Grijjy.Http.TgoHttpHeader.Value", "field", "httpclient.TgoHttpHeader.value"),
    Ported("Grijjy.Http.TgoHttpHeader.NameAsISO8859", "field", "httpclient.TgoHttpHeader.name_as_iso8859"),
    Ported("Grijjy.Http.TgoHttpHeader.ValueAsISO8859", "field", "httpclient.TgoHttpHeader.value_as_iso8859"),
    Ported("Grijjy.Http.TgoHttpHeaders", "class", "httpclient.TgoHttpHeaders"),
    Ported("Grijjy.Http.TgoHttpHeaders.Create", "constructor", "httpclient.TgoHttpHeaders.__init__"),
    Ported(
        "Grijjy.Http.TgoHttpHeaders.Destroy", "destructor", "httpclient.TgoHttpHeaders.clear",
        "there is nothing to free: clear() empties it",
    ),
    Ported("Grijjy.Http.TgoHttpHeaders.AddOrSet", "procedure", "httpclient.TgoHttpHeaders.add_or_set"),
    Ported("Grijjy.Http.TgoHttpHeaders.Value", "function", "httpclient.TgoHttpHeaders.value"),
    Ported("Grijjy.Http.TgoHttpHeaders.IndexOf", "function", "httpclient.TgoHttpHeaders.index_of"),
    Ported("Grijjy.Http.TgoHttpHeaders.AsString", "function", "httpclient.TgoHttpHeaders.as_string"),
    Ported("Grijjy.Http.TgoHttpHeaders.AsNgHttp2Array", "procedure", "httpclient.TgoHttpHeaders.as_ng_http2_array"),
    Ported("Grijjy.Http.TgoHttpHeaders.Headers", "property", "httpclient.TgoHttpHeaders.headers"),
    Ported("Grijjy.Http.TgoHttpClient", "class", "httpclient.TgoHttpClient"),
    Ported("Grijjy.Http.TgoHttpClient.Create", "constructor", "httpclient.TgoHttpClient.__init__"),
    Ported("Grijjy.Http.TgoHttpClient.Destroy", "destructor", "httpclient.TgoHttpClient.close"),
    Ported("Grijjy.Http.TgoHttpClient.Get", "function", "httpclient.TgoHttpClient.get"),
    Ported("Grijjy.Http.TgoHttpClient.Head", "function", "httpclient.TgoHttpClient.head"),
    Ported("Grijjy.Http.TgoHttpClient.Post", "function", "httpclient.TgoHttpClient.post"),
    Ported("Grijjy.Http.TgoHttpClient.Put", "function", "httpclient.TgoHttpClient.put"),
    Ported("Grijjy.Http.TgoHttpClient.Delete", "function", "httpclient.TgoHttpClient.delete"),
    Ported("Grijjy.Http.TgoHttpClient.Options", "function", "httpclient.TgoHttpClient.options"),
    Ported("Grijjy.Http.TgoHttpClient.Close", "procedure", "httpclient.TgoHttpClient.close"),
    Ported("Grijjy.Http.TgoHttpClient.BytesToString", "function", "httpclient.TgoHttpClient.bytes_to_string"),
    Ported("Grijjy.Http.TgoHttpClient.State", "property", "httpclient.TgoHttpClient.state"),
    Ported("Grijjy.Http.TgoHttpClient.IdleTime", "property", "httpclient.TgoHttpClient.idle_time"),
    Ported("Grijjy.Http.TgoHttpClient.Cookies", "property", "httpclient.TgoHttpClient.cookies"),
    Ported("Grijjy.Http.TgoHttpClient.RequestBody", "property", "httpclient.TgoHttpClient.request_body"),
    Ported("Grijjy.Http.TgoHttpClient.RequestData", "property", "httpclient.TgoHttpClient.request_data"),
    Ported("Grijjy.Http.TgoHttpClient.RequestHeaders", "property", "httpclient.TgoHttpClient.request_headers"),
    Ported("Grijjy.Http.TgoHttpClient.ResponseHeaders", "property", "httpclient.TgoHttpClient.response_headers"),
    Ported("Grijjy.Http.TgoHttpClient.ResponseStatusCode", "property", "httpclient.TgoHttpClient.response_status_code"),
    Ported("Grijjy.Http.TgoHttpClient.ResponseContentType", "property", "httpclient.TgoHttpClient.response_content_type"),
    Ported("Grijjy.Http.TgoHttpClient.ResponseContentCharset", "property", "httpclient.TgoHttpClient.response_content_charset"),
    Ported("Grijjy.Http.TgoHttpClient.ContentLength", "property", "httpclient.TgoHttpClient.content_length"),
    Ported("Grijjy.Http.TgoHttpClient.FollowRedirects", "property", "httpclient.TgoHttpClient.follow_redirects"),
    Ported("Grijjy.Http.TgoHttpClient.OnRedirect", "property", "httpclient.TgoHttpClient.on_redirect"),
    Ported("Grijjy.Http.TgoHttpClient.OnPassword", "property", "httpclient.TgoHttpClient.on_password"),
    Ported("Grijjy.Http.TgoHttpClient.OnRecv", "property", "httpclient.TgoHttpClient.on_recv"),
    Ported("Grijjy.Http.TgoHttpClient.OnSent", "property", "httpclient.TgoHttpClient.on_sent"),
    Ported("Grijjy.Http.TgoHttpClient.UserName", "property", "httpclient.TgoHttpClient.user_name"),
    Ported("Grijjy.Http.TgoHttpClient.Password", "property", "httpclient.TgoHttpClient.password"),
    Ported("Grijjy.Http.TgoHttpClient.ContentType", "property", "httpclient.TgoHttpClient.content_type"),
    Ported("Grijjy.Http.TgoHttpClient.UserAgent", "property", "httpclient.TgoHttpClient.user_agent"),
    Ported("Grijjy.Http.TgoHttpClient.Range", "property", "httpclient.TgoHttpClient.range"),
    Ported("Grijjy.Http.TgoHttpClient.Authorization", "property", "httpclient.TgoHttpClient.authorization"),
    Ported("Grijjy.Http.TgoHttpClient.Certificate", "property", "httpclient.TgoHttpClient.certificate"),
    Ported("Grijjy.Http.TgoHttpClient.PrivateKey", "property", "httpclient.TgoHttpClient.private_key"),
    Ported("Grijjy.Http.TgoHttpResponseMessage", "class", "httpclient.TgoHttpResponseMessage"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.Create", "constructor", "httpclient.TgoHttpResponseMessage.__init__"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.HttpClient", "property", "httpclient.TgoHttpResponseMessage.http_client"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.ResponseHeaders", "property", "httpclient.TgoHttpResponseMessage.response_headers"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.ResponseStatusCode", "property", "httpclient.TgoHttpResponseMessage.response_status_code"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.ResponseContentType", "property", "httpclient.TgoHttpResponseMessage.response_content_type"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.ResponseContentCharset", "property", "httpclient.TgoHttpResponseMessage.response_content_charset"),
    Ported("Grijjy.Http.TgoHttpResponseMessage.Response", "property", "httpclient.TgoHttpResponseMessage.response"),
    Ported("Grijjy.Http.TgoHttpClientManager", "class", "httpclient.TgoHttpClientManager"),
    Ported("Grijjy.Http.TgoHttpClientManager.Create", "constructor", "httpclient.TgoHttpClientManager.__init__"),
    Ported("Grijjy.Http.TgoHttpClientManager.Destroy", "destructor", "httpclient.TgoHttpClientManager.close"),
    Ported("Grijjy.Http.TgoHttpClientManager.Release", "procedure", "httpclient.TgoHttpClientManager.release"),
    Ported("Grijjy.Http.HttpClientManager", "var", "httpclient.HttpClientManager"),
    Ported("Grijjy.Uri.TgoURI", "record", "httpclient.TgoURI"),
    Ported("Grijjy.Uri.TgoURI.Scheme", "field", "httpclient.TgoURI.scheme"),
    Ported("Grijjy.Uri.TgoURI.Username", "field", "httpclient.TgoURI.username"),
    Ported("Grijjy.Uri.TgoURI.Password", "field", "httpclient.TgoURI.password"),
    Ported("Grijjy.Uri.TgoURI.Host", "field", "httpclient.TgoURI.host"),
    Ported("Grijjy.Uri.TgoURI.Port", "field", "httpclient.TgoURI.port"),
    Ported("Grijjy.Uri.TgoURI.Path", "field", "httpclient.TgoURI.path"),
    Ported("Grijjy.Uri.TgoURI.Query", "field", "httpclient.TgoURI.query"),
    Ported("Grijjy.Uri.TgoURI.Params", "field", "httpclient.TgoURI.params"),
    Ported("Grijjy.Uri.TgoURI.Fragment", "field", "httpclient.TgoURI.fragment"),
    Ported("Grijjy.Uri.TgoURI.Create", "constructor", "httpclient.TgoURI.__init__"),
    Ported("Grijjy.Uri.TgoURI.ToString", "function", "httpclient.TgoURI.to_string"),
)

#: Names without an origin in the ported units, and why they exist.
NEW: dict[str, str] = {
    **_new(
        "a failure is an exception that names its cause, where the original answers False",
        """
        BodyError ClientClosedError ConnectError ConnectTimeoutError DeadlineError DecodingError Http2ConnectionError
        Http2StreamError HttpCertificateError HttpClientError HttpProtocolError HttpStatusError HttpTimeoutError
        HttpTlsError InvalidRequestError InvalidUrlError PoolTimeoutError ProxyError ReceiveTimeoutError RedirectError
        RefusedStreamError RemoteClosedError RequestAbortedError SendTimeoutError TooManyRedirectsError
        """,
    ),
    **_new("the result of a request, which the original leaves in the client's properties", "HttpResponse ResponseHead"),
    **_new("Delphi's own unit System.Messaging has them", "TMessage TMessageManager"),
    **_new("the overload of Read that fills a buffer of the caller", "TThreadSafeBuffer.read_into"),
    **_new(
        "the parameters AConnectTimeout and ARecvTimeout, as defaults for all requests",
        "TgoHttpClient.connect_timeout TgoHttpClient.recv_timeout",
    ),
    **_new("a limit for everything together", "TgoHttpClient.timeout"),
    **_new(
        "limits for what the original does without any: sending, and waiting for a connection",
        "TgoHttpClient.send_timeout TgoHttpClient.pool_timeout",
    ),
    **_new(
        "many connections instead of one, to be looked at and closed",
        "TgoHttpClient.pool_statistics TgoHttpClient.close_idle_connections",
    ),
    **_new("the heads of responses are bounded", "Http1Limits"),
    **_new("redirects are bounded", "TgoHttpClient.max_redirects TgoHttpClient.allow_insecure_redirects"),
    **_new("a few bytes in a content coding can stand for very many", "TgoHttpClient.max_decoded_size"),
    **_new("interim responses can be seen", "TgoHttpClient.on_informational"),
    **_new("any method, and one that came after the original", "TgoHttpClient.request TgoHttpClient.patch"),
    **_new("incremental, pulled by the caller", "TgoHttpClient.stream"),
    **_new("what HTTP/2 connections have done", "TgoHttpClient.http2_statistics"),
    **_new("request and response as two streams at once, which HTTP/2 allows", "DuplexStream TgoHttpClient.open_stream"),
    **_new("trailer fields in a request, as HTTP/2 and chunks allow", "BodyWithTrailers"),
    **_new("the response object of the last request", "TgoHttpClient.last_response"),
    **_new("the options of a client as type checkers know them", "ClientOptions"),
    **_new("whether close() has been called", "TgoHttpClient.closed"),
    **_new(
        "how the parts of this package tell a client of its non-blocking calls",
        """
        TgoHttpClient.call_ended TgoHttpClient.close_when_idle TgoHttpClient.end_calls
        """,
    ),
    **_new(
        "Digest, tokens, and schemes of the caller's own beside the original's Basic",
        """
        Authentication AuthenticationRequest BasicAuthentication BearerAuthentication Challenge DigestAuthentication
        TgoHttpClient.auth TgoHttpClient.authentication_of
        """,
    ),
    **_new("credentials from a file", "TgoHttpClient.netrc"),
    **_new(
        "cookies that servers set, by the rules of RFC 6265",
        "HttpCookieJar TgoHttpClient.cookie_jar TgoHttpClient.known_jar TgoHttpClient.receive_cookies",
    ),
    **_new(
        "requests that are repeated by rules, after a pause",
        "RetryPolicy TgoHttpClient.retry TgoHttpClient.closes_within",
    ),
    **_new("what a connection has come to: its TLS, and how long each step took", "InsecureTlsWarning Timings TlsInfo"),
    **_new("a body that goes into a file", "TgoHttpClient.download"),
    **_new(
        "how the parts of this package have the events of a client called",
        "TgoHttpClient.new_exchange TgoHttpClient.connect_events",
    ),
    **_new("clients share connections through their manager", "TgoHttpClientManager.pool TgoHttpClientManager.forget"),
    **_new(
        "what Python expects of a mapping",
        """
        TgoHttpHeaders.copy TgoHttpHeaders.get TgoHttpHeaders.items TgoHttpHeaders.keys TgoHttpHeaders.remove
        TgoHttpHeaders.setdefault TgoHttpHeaders.update TgoHttpHeaders.values
        """,
    ),
    **_new("fields may be repeated", "TgoHttpHeaders.add TgoHttpHeaders.get_all"),
    **_new("made from a response when it is asked for", "TgoHttpHeaders.from_fields"),
    **_new("tells whether something has changed", "TgoHttpHeaders.version"),
    **_new(
        "failures send a message too, and the response object comes along",
        "TgoHttpResponseMessage.error TgoHttpResponseMessage.http_response TgoHttpResponseMessage.of",
    ),
    **_new(
        "what a request needs of a URL",
        "TgoURI.authority TgoURI.connect_host TgoURI.origin TgoURI.resolve TgoURI.target TgoURI.with_query",
    ),
}
