"""Zencoder, asked over its API, version 2."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from cella.encoding.config import ZencoderConfig
from cella.encoding.notification import Told, plain_line, read_id, read_job
from cella.errors import BadRequest, CallFailed
from cella.outbound import Answer, Outbound

_PATIENCE = 30.0
_MOST = 1 << 20
_DONE = frozenset((200, 201, 202, 204))


class _Created(msgspec.Struct, frozen=True):
    id: int | str


class _Refused(msgspec.Struct, frozen=True):
    errors: list[Any] = []


class Zencoder:
    """The service. Every answer is bounded and judged before anything of it is used."""

    def __init__(self, config: ZencoderConfig, outbound: Outbound) -> None:
        self._outbound = outbound
        self._config = config
        self._jobs = config.url.rstrip("/") + "/jobs"

    async def create(self, order: Mapping[str, Any]) -> str:
        """Have a job done; its id. Raises `CallFailed` and `CallRefused`.

        The former also where Zencoder understands the job and will not do it (422): a plan that
        has run out, or an original that it cannot reach, may be another matter soon. Where no
        answer comes, there may be a job or not.
        """
        answer = await self._ask("POST", self._jobs, order)
        if answer.status != 201:
            raise CallFailed(f"Zencoder does not take the film{_because(answer)}.")
        try:
            return read_id(msgspec.json.decode(answer.body, type=_Created).id)
        except (msgspec.DecodeError, RecursionError, BadRequest):
            raise CallFailed("Zencoder takes the film, and does not tell the job.") from None

    async def state(self, job_id: str) -> Told | None:
        """What has become of a job; None where Zencoder does not know it.

        Raises `CallFailed` and `CallRefused`.
        """
        answer = await self._ask("GET", f"{self._jobs}/{job_id}.json")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise CallFailed(f"Zencoder does not tell of the job{_because(answer)}.")
        try:
            told = read_job(msgspec.json.decode(answer.body, type=dict[str, Any]))
        except (msgspec.DecodeError, RecursionError, BadRequest):
            raise CallFailed("What Zencoder tells of the job cannot be read.") from None
        if told.job_id != job_id:
            raise CallFailed("Zencoder tells of another job than it was asked about.")
        return told

    async def cancel(self, job_id: str) -> None:
        """Have a job ended. One that is over, or not known, is as good as ended.

        Raises `CallFailed` and `CallRefused`.
        """
        answer = await self._ask("PUT", f"{self._jobs}/{job_id}/cancel.json")
        if answer.status not in _DONE and answer.status not in (404, 409, 422):
            raise CallFailed(f"Zencoder does not cancel the job{_because(answer)}.")

    def download(self, url: str, most: int) -> AsyncGenerator[bytes, None]:
        """A film that Zencoder keeps, `most` bytes of it at most.

        Raises what `Outbound.download` raises. The address is Zencoder's word: it is judged as
        any other.
        """
        return self._outbound.download(url, most=most, seconds=self._config.download_seconds)

    async def _ask(self, method: str, url: str, document: object = None) -> Answer:
        return await self._outbound.call(
            method,
            url,
            document=document,
            headers={"Zencoder-Api-Key": self._config.api_key},
            seconds=_PATIENCE,
            most=_MOST,
        )


def _because(answer: Answer) -> str:
    """Why an answer is none that was wanted, to end a sentence with."""
    try:
        told = msgspec.json.decode(answer.body, type=_Refused).errors
    except (msgspec.DecodeError, RecursionError):
        told = []
    words = plain_line("; ".join(text for text in told if isinstance(text, str))).rstrip(".")
    return f": {words} ({answer.status})" if words else f": it answers {answer.status}"
