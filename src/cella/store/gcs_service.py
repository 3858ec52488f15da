"""Google Cloud Storage, as threads call it: who we are, how long we try, what errors mean.

Whatever Google's client can do is asked of it. Some things it cannot: send a body of unknown
length that may break off, read on in the middle of what it reads, and copy access along. These
are asked of the JSON API itself, over the same session, by `request`.

All that is in here blocks, and is bounded (`Bounds`). What is final is not tried again.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import requests
from google.api_core import exceptions
from google.auth import credentials as auth
from google.auth import default as machine_credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from cella.errors import StoreError, StoreRefused, StoreUnavailable

T = TypeVar("T")

CLOUD = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"

_STRANGER = "cella"
_REDIRECT = 300


class Bounds(NamedTuple):
    """How long anything may take, in seconds.

    `connect`: until a connection stands; `answer`: between two packets of an answer; `trying`:
    after which nothing is tried again; `pause`: before something is, the first time.
    """

    connect: float = 10.0
    answer: float = 60.0
    trying: float = 30.0
    pause: float = 0.2


USUAL = Bounds()


class Service:
    """The client and its session, between `open` and `close`.

    `endpoint` is the address of a service that speaks like the cloud; empty for the cloud.
    Without `credentials` an endpoint is spoken to as a stranger, and the cloud as whomever the
    machine takes us for. `project` is where buckets are listed and created. `connections` is how
    many threads call at once.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: auth.Credentials | None,
        project: str,
        connections: int,
        bounds: Bounds = USUAL,
    ) -> None:
        self.base = endpoint.rstrip("/") or CLOUD
        self._is_cloud = not endpoint
        self._credentials = credentials
        self.project = project
        self._connections = connections
        self._timeout = (bounds.connect, bounds.answer)
        self._retry = DEFAULT_RETRY.with_delay(initial=bounds.pause, maximum=8.0, multiplier=2.0)
        self._retry = self._retry.with_timeout(bounds.trying)
        self.bounded = {"timeout": self._timeout, "retry": self._retry}
        self._session: AuthorizedSession | None = None
        self._client: storage.Client | None = None

    @property
    def client(self) -> storage.Client:
        """Google's client."""
        if self._client is None:
            raise RuntimeError("the store is not open")
        return self._client

    def open(self) -> None:
        """Find out who we are, and make the client; calls nobody where there are credentials."""
        credentials, self.project = self._identity()
        session = AuthorizedSession(credentials)
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._connections)
        session.mount(f"{self.base}/", adapter)
        self._session = session
        # A client that is not told all of this looks in the environment, and calls Google.
        self._client = storage.Client(
            project=self.project or "none",
            credentials=credentials,
            client_options={"api_endpoint": self.base},
            _http=session,
        )
        # For traces that nobody has asked for, it would look at each bucket by a thread of its
        # own, and again at each blob that is missing. It does not where it cannot remember.
        self._client._bucket_metadata_cache = None

    def close(self) -> None:
        """End all connections."""
        session, self._session, self._client = self._session, None, None
        if session is not None:
            session.close()

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """One request, once; errors that the service answers are raised as the client does.

        Answers that are no errors come back, also 308, which asks for more of an upload.
        """
        if self._session is None:
            raise RuntimeError("the store is not open")
        answer: requests.Response = self._session.request(
            method, url, timeout=self._timeout, allow_redirects=False, **options
        )
        if answer.status_code >= _REDIRECT and answer.status_code != requests.codes.resume:
            with answer:
                raise exceptions.from_http_response(answer)
        return answer

    def ask(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str],
        breaks: Callable[[Exception], None] | None = None,
    ) -> dict[str, Any]:
        """What a call of the JSON API answers, which is tried again where that may help.

        `breaks` is told of each error after which it is.
        """

        def once() -> dict[str, Any]:
            url = f"{self.base}/storage/v1/{path}"
            found: dict[str, Any] = self.request(method, url, params=parameters).json()
            return found

        return self.patient(once, breaks)

    def patient(
        self, work: Callable[[], T], breaks: Callable[[Exception], None] | None = None
    ) -> T:
        """Do `work`, again and again where an error may come right by itself, for a while.

        That are the answers 408, 429 and 5xx, and broken connections. `breaks` is told of each.
        """
        done: T = self._retry(work, breaks)()
        return done

    def _identity(self) -> tuple[auth.Credentials, str]:
        if self._credentials is not None:
            return self._credentials, self.project
        if not self._is_cloud:
            return auth.AnonymousCredentials(), self.project or _STRANGER
        credentials, project = machine_credentials(scopes=[SCOPE])
        return credentials, self.project or project or ""


@contextmanager
def translated() -> Iterator[None]:
    """Make errors of the client ours, and answers that nothing can be made of.

    What the cloud says is kept as the cause, for the log.
    """
    try:
        yield
    except (
        exceptions.GoogleAPIError,
        GoogleAuthError,
        requests.RequestException,
        HTTPError,
        OSError,
        KeyError,
        ValueError,
    ) as error:
        raise _ours(error) from error


def _ours(error: Exception) -> StoreError:
    if isinstance(error, exceptions.Unauthorized | GoogleAuthError):
        if isinstance(error, TransportError) or getattr(error, "retryable", False):
            return StoreUnavailable("Google did not tell us who we are. Try again later.")
        return StoreRefused(
            "Google Cloud Storage does not know us: look at CELLA_GCS_CREDENTIALS, or without "
            "it at what the machine is allowed to."
        )
    if isinstance(error, exceptions.Forbidden):
        return StoreRefused(
            "Google Cloud Storage does not let us do this: the account of CELLA_GCS_CREDENTIALS "
            "lacks a role on the bucket of CELLA_STORE_URL or CELLA_STORE_MORE, or on the "
            "project of CELLA_GCS_PROJECT."
        )
    if isinstance(error, exceptions.NotFound):
        return no_bucket()
    if isinstance(error, exceptions.ClientError) and not isinstance(
        error, exceptions.TooManyRequests
    ):
        return StoreRefused(f"Google Cloud Storage refused what was asked: {error.code}.")
    return StoreUnavailable("Google Cloud Storage did not answer, or not as it should.")


def no_bucket() -> StoreRefused:
    """There is no such bucket."""
    return StoreRefused(
        "Google Cloud Storage has no such bucket: look at CELLA_STORE_URL and CELLA_STORE_MORE."
    )
