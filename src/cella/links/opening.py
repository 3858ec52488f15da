"""Which links each backend's blobs get."""

from collections.abc import Iterable, Mapping

from cella.links.away import CdnLinks, Signs, StoredLinks
from cella.links.cdn import CdnConfigs, make_cdn
from cella.links.old import CDNSUN, PILLAR, UNITTEST, NoLinks, PillarLinks, UnitTestLinks
from cella.links.token import Signer
from cella.links.urls import LocalLinks, Speller
from cella.links.validity import CdnName, LinkConfig, validity_of


class Spellers(dict[str, Speller]):
    """The spellers of backends by their names; of those that nobody knows, an empty one's."""

    def __init__(self, known: Mapping[str, Speller], otherwise: Speller) -> None:
        super().__init__(known)
        self._otherwise = otherwise

    def __missing__(self, _backend: str) -> Speller:
        return self._otherwise

    def slow(self) -> list[str]:
        """The backends whose links take long to sign."""
        return [backend for backend, speller in self.items() if speller.is_slow]


def open_spellers(
    config: LinkConfig,
    cdns: CdnConfigs,
    stores: Mapping[str, object],
    base: str,
    signer: Signer,
) -> Spellers:
    """The spellers of all backends; `stores` are those that blobs can be read from.

    `base` is the address of this server, empty for links that are paths on it. Raises `BadConfig`
    where a network is named whose settings are missing.
    """
    networks = _networks(config, cdns)
    known: dict[str, Speller] = {}
    for backend in _backends(stores, networks):
        validity = validity_of(config, backend)
        local = LocalLinks(base, signer, validity) if backend in stores else None
        store = stores.get(backend)
        if backend in networks:
            is_by_key = backend not in (CDNSUN, PILLAR)
            cdn = make_cdn(networks[backend], cdns)
            known[backend] = CdnLinks(cdn, local if is_by_key else None, validity)
        elif backend == UNITTEST:
            known[backend] = UnitTestLinks(validity)
        elif backend == PILLAR:
            known[backend] = PillarLinks(base, signer, validity)
        elif isinstance(store, Signs) and local is not None:
            known[backend] = StoredLinks(store, local, validity)
        elif local is not None:
            known[backend] = local
    return Spellers(known, NoLinks(validity_of(config, "")))


def _networks(config: LinkConfig, cdns: CdnConfigs) -> Mapping[str, CdnName]:
    usual: dict[str, CdnName] = {CDNSUN: "cdnsun"} if cdns.cdnsun.url else {}
    return {**usual, **config.link_cdn}


def _backends(*named: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*(name for names in named for name in names), UNITTEST]))
