"""What a provider of identity promises."""

from typing import Protocol

from cella.model import Identity


class Provider(Protocol):
    """Somebody outside who knows whom a token belongs to."""

    async def identify(self, token: str, subclient: str) -> Identity | None:
        """Whose token that is, for that sub-client, which is empty for a main token.

        None where it is nobody's, or where the provider does not say so in time. Never raises,
        and may be called any number of times: what is asked of the provider is bounded, at once
        and over time, whatever comes.
        """
        ...

    async def close(self) -> None:
        """End what is under way; nobody is identified afterwards."""
        ...
