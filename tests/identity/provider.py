"""An OpenID Connect provider on loopback: `oidc-provider-mock`, issuing RFC 9068 access tokens by Authlib's own
generator. People sign in with the authorization code flow; nothing here makes a token by hand, but `sign`."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx
import jwt
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from werkzeug.serving import ThreadedWSGIServer, make_server

from rag.issuer_settings import IssuerSettings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)  # it imports a module that Authlib is giving up
    import oidc_provider_mock

AUDIENCE = "ringfence"
_CALLBACK = "http://127.0.0.1/callback"


@dataclass
class Provider:
    """A running provider. `claims` are added to every access token; `audience` and `lifetime_s` are theirs too."""

    port: int = 0
    audience: str | list[str] = AUDIENCE
    lifetime_s: int = 600
    claims: dict[str, Any] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    _storage: Any = None
    _server: ThreadedWSGIServer | None = None
    _thread: threading.Thread | None = None
    _app: flask.Flask | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> IssuerSettings:
        given = {"name": "corp", "issuer": self.url, "audience": [AUDIENCE], "tenant": "acme"}
        return IssuerSettings.model_validate({**given, "person_clients": ["browser"], **changes})

    def sign_in(self, sub: str, *, client: str = "browser", **claims: Any) -> dict[str, Any]:
        """What the token endpoint answers: an access token and an ID token, among others."""
        self.claims = claims
        with httpx.Client(base_url=self.url, trust_env=False) as browser:
            asked = {"client_id": client, "redirect_uri": _CALLBACK, "response_type": "code", "scope": "openid"}
            allowed = browser.post("/oauth2/authorize", params=asked, data={"sub": sub})
            code = parse_qs(urlsplit(allowed.headers["location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": _CALLBACK}
            return dict(browser.post("/oauth2/token", data=form, auth=(client, "any")).raise_for_status().json())

    def access_token(self, sub: str, *, client: str = "browser", **claims: Any) -> str:
        return str(self.sign_in(sub, client=client, **claims)["access_token"])

    def rotate_keys(self) -> None:
        """From now on it signs with a new key, and publishes no other."""
        self._storage.jwk = type(self._storage.jwk).generate_key(is_private=True)

    def sign(self, claims: dict[str, Any], *, algorithm: str = "RS256", **header: Any) -> str:
        """Sign claims of the test's own with the provider's key; None leaves a claim or a header out."""
        kept = {name: value for name, value in claims.items() if value is not None}
        headers = {"typ": "at+jwt", "kid": self.key_id, **header}
        return jwt.encode(
            kept, self.private_pem, algorithm=algorithm, headers={k: v for k, v in headers.items() if v is not None}
        )

    @property
    def key_id(self) -> str:
        return str(self._storage.jwk.as_dict()["kid"])

    @property
    def private_pem(self) -> bytes:
        return bytes(self._storage.jwk.as_pem(is_private=True))

    @property
    def public_pem(self) -> bytes:
        return bytes(self._storage.jwk.as_pem(is_private=False))

    def start(self) -> None:
        if self._app is None:
            self._app = oidc_provider_mock.app()
            self._app.before_request(self._prepare)
        self._server = make_server("127.0.0.1", self.port, self._app, threaded=True)  # type: ignore[assignment]
        assert isinstance(self._server, ThreadedWSGIServer)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        httpx.get(f"{self.url}/jwks", trust_env=False).raise_for_status()
        self.fetched.clear()

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
        self._server = self._thread = None

    def _prepare(self) -> None:
        self.fetched.append(flask.request.path)
        if self._storage is None:
            self._storage = flask.g.oidc_provider_mock_storage
        flask.g._authlib_authorization_server.register_token_generator("default", _AccessTokens(self))


class _AccessTokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    def __init__(self, provider: Provider) -> None:
        super().__init__(provider.url, expires_generator=lambda *_: provider.lifetime_s)
        self._provider = provider

    def access_token_generator(self, client: Any, grant_type: str, user: Any, scope: str) -> str:
        return str(super().access_token_generator(client, grant_type, _Subject(user.sub), scope))

    def get_jwks(self) -> Any:
        return {"keys": [self._provider._storage.jwk.as_dict(is_private=True)]}

    def get_audiences(self, client: Any, user: Any, scope: str) -> str | list[str]:
        return self._provider.audience

    def get_extra_claims(self, client: Any, grant_type: str, user: Any, scope: str) -> dict[str, Any]:
        return self._provider.claims


@dataclass(frozen=True)
class _Subject:
    """The provider's user, as Authlib's generator asks for one."""

    sub: str

    def get_user_id(self) -> str:
        return self.sub


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()
