"""Where links lead, as the page's policy names it."""

from collections.abc import Sequence

from cella.clock import ManualClock
from cella.errors import StoreUnavailable
from cella.links.away import CdnLinks
from cella.links.nginx import Nginx, NginxConfig
from cella.links.origins import Origins
from cella.links.token import Signer
from cella.links.urls import Linked, LocalLinks
from cella.links.validity import Window

DAY = 86_400
NOON = 1_700_000_000.0
LOCAL = LocalLinks("http://cella.example:8333", Signer(("a key of enough letters for links",)), DAY)


class Moody(LocalLinks):
    """Spells now and then."""

    is_away = False
    asked = 0

    def signed(self, bucket: str, blobs: Sequence[Linked], window: Window) -> list[str]:
        """Links, or an error."""
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("The store does not answer.")
        return super().signed(bucket, blobs, window)


def test_links_of_all_kinds_are_found() -> None:
    cdn = Nginx(NginxConfig(url="https://cdn.example/folder", key="secret"))
    origins = Origins([LOCAL, CdnLinks(cdn, LOCAL, DAY)], ManualClock(NOON))
    assert origins.find() == {"http://cella.example:8333", "https://cdn.example"}


def test_paths_on_this_server_have_no_origin() -> None:
    paths = LocalLinks("", Signer(("a key of enough letters for links",)), DAY)
    assert Origins([paths], ManualClock(NOON)).find() == frozenset()


def test_what_was_found_is_kept_while_a_store_is_away() -> None:
    clock = ManualClock(NOON)
    moody = Moody("https://moody.example", Signer(("a key of enough letters for links",)), DAY)
    origins = Origins([moody, LOCAL], clock)
    both = {"https://moody.example", "http://cella.example:8333"}
    assert origins.find() == origins.find() == both
    assert moody.asked == 1
    moody.is_away = True
    clock.advance(601)
    assert origins.find() == both
    assert moody.asked == 2
