"""Links: who gets the bytes with them, without them, and with what was made of them."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.api.test_previews import picture
from tests.support.service import LINK_KEY, Account, Service, Start
from tests.support.wire import Answer, connected

from cella.clock import ManualClock
from cella.links.token import Signer

DAY = 24 * 3600
NOW = 1_800_000_000
OTHER_KEY = "another key for links, quite as long as that"
PREVIEWS = ["s", "b", "m", "l", "h"]


def refusal(answer: httpx.Response) -> str:
    """What a refused link is said to have."""
    assert answer.status_code == 403
    assert answer.json()["_error"]["name"] == "link_refused"
    assert "some bytes" not in answer.text
    message: str = answer.json()["_error"]["message"]
    return message


def without(link: str, parameter: str) -> str:
    """The link without one of its parameters."""
    return re.sub(rf"[?&]{parameter}=[^&]*", "", link).replace("&", "?", 1)


def key_of(link: str) -> str:
    """The key of the blob that a link leads to."""
    parts = urlsplit(link).path.split("/")
    return f"{parts[-3]}/_/{parts[-1]}"


def signed_with(key: str, link: str, expires: int) -> str:
    """The link as another key, or another time, would have signed it."""
    signature = Signer([key]).signing(expires).sign(key_of(link))
    return f"{link.partition('?')[0]}?expires={expires}&signature={signature}"


@pytest.fixture
def link(service: Service) -> str:
    """A link to a file with the content `some bytes`."""
    owner = service.account()
    found: str = service.upload(owner, service.project(owner))["link"]
    return found


def test_a_link_is_enough(service: Service, link: str) -> None:
    assert service.get(link).content == b"some bytes"
    assert service.get(link, service.account()).content == b"some bytes"
    assert service.get(link, headers={"Authorization": "Bearer nonsense"}).status_code == 200


def test_each_way_to_break_a_link_is_named(service: Service, link: str) -> None:
    query = parse_qs(urlsplit(link).query)
    expires, signature = query["expires"][0], query["signature"][0]
    last = "0" if signature[-1] != "0" else "1"
    end = int(expires)
    for broken, reason in (
        (link.partition("?")[0], "no signature"),
        (without(link, "signature"), "no signature"),
        (without(link, "expires"), "expiry is not a number"),
        (link.replace(signature, signature[:-1] + last), "does not fit"),
        (link.replace(signature, signature[:-1]), "does not fit"),
        (link.replace(signature, signature + "0"), "does not fit"),
        (link.replace(signature, signature.upper()), "changed|key that is not in use"),
        (link.replace(signature, signature[:8]), "does not fit"),
        (link.replace(signature, ""), "key that is not in use"),
        (link.replace(signature, "ünï"), "key that is not in use"),
        (link.replace(f"expires={end}", f"expires={end + 1}"), "does not fit"),
        (link.replace(f"expires={end}", f"expires=0{end}"), "does not fit|changed"),
        (link.replace(f"expires={end}", "expires=soon"), "expiry is not a number"),
        (link.replace(f"expires={end}", "expires=-1"), "expiry is not a number"),
        (link.replace(f"expires={end}", "expires=٣"), "expiry is not a number"),
        (link.replace(f"expires={end}", "expires=" + "9" * 400), "expiry is not a number"),
        (f"{link}&expires={end}", "expires more than once"),
        (f"{link}&signature={signature}", "signature more than once"),
        (signed_with(OTHER_KEY, link, end), "key that is not in use"),
        (signed_with(LINK_KEY, link, 1), "expired"),
    ):
        assert re.search(reason, refusal(service.get(broken))), broken
    assert service.get(link).status_code == 200


def test_unknown_parameters_change_nothing(service: Service, link: str) -> None:
    assert service.get(f"{link}&utm_source=mail").status_code == 200


def test_a_signature_is_for_one_blob(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    one = service.upload(owner, project)["link"]
    other = service.upload(owner, project)["link"]
    elsewhere = service.upload(owner, service.project(owner))["link"]
    query = one.partition("?")[2]
    for bare in (other.partition("?")[0], elsewhere.partition("?")[0]):
        assert "does not fit" in refusal(service.get(f"{bare}?{query}"))


def test_the_signature_of_a_preview_does_not_open_the_original(service: Service) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner), picture(9, 9), "a.png", "image/png")
    original = document["link"].partition("?")[0]
    for variation in document["variations"]:
        query = variation["link"].partition("?")[2] or "signature=&expires=1"
        assert service.get(f"{original}?{query}").status_code == 403


# Time


def test_a_link_lasts_as_long_as_its_document_says_and_no_longer(start: Start) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    expires = int(parse_qs(urlsplit(document["link"]).query)["expires"][0])
    assert service.get(f"/api/files/{document['_id']}", owner).json() == document
    assert 0 < expires - clock.time <= 30 * DAY
    clock.time = expires - 1
    assert service.get(document["link"]).status_code == 200
    clock.time = expires
    assert "has expired" in refusal(service.get(document["link"]))
    fresh = service.document(owner, document["_id"])["link"]
    assert service.get(fresh).status_code == 200


@pytest.mark.parametrize("days", [-90, 90])
def test_a_clock_that_jumps_leaves_no_dead_link_in_a_document(start: Start, days: int) -> None:
    clock = ManualClock(NOW)
    service = start(clock=clock)
    owner = service.account()
    project = service.project(owner)
    document = service.upload(owner, project, picture(30, 20), "a.png", "image/png")
    for _ in range(3):
        clock.advance(days * DAY)
        read = service.document(owner, document["_id"])
        page = service.get("/api/files", owner, params={"where": f'{{"project":"{project.id}"}}'})
        assert page.json()["_items"] == [read]
        for item in (read, *read["variations"]):
            assert service.get(item["link"]).status_code == 200
    if days > 0:
        assert "has expired" in refusal(service.get(document["link"]))


def test_all_readers_of_a_window_get_the_same_link(start: Start) -> None:
    clock = ManualClock(NOW // (7.5 * DAY) * (7.5 * DAY))
    service = start(clock=clock)
    owner, admin = service.account(), service.account("admin")
    file_id = service.upload(owner, service.project(owner))["_id"]
    links = set()
    for _ in range(7):
        links |= {service.document(by, file_id)["link"] for by in (owner, admin)}
        clock.advance(DAY)
    assert len(links) == 1
    clock.advance(DAY)
    assert service.document(owner, file_id)["link"] not in links


def test_an_old_key_verifies_until_it_is_dropped(start: Start) -> None:
    service = start(link_keys=[OTHER_KEY, LINK_KEY])
    owner = service.account()
    link = service.upload(owner, service.project(owner))["link"]
    end = int(parse_qs(urlsplit(link).query)["expires"][0])
    assert link == signed_with(OTHER_KEY, link, end), "the first key signs"
    assert service.get(signed_with(LINK_KEY, link, end)).status_code == 200


# Without a signature


def bare_links(service: Service, by: Account, project: Any) -> dict[str, str]:
    """Unsigned addresses of a fresh picture's original and previews."""
    document = service.upload(by, project, picture(30, 20), "a.png", "image/png")
    found = {v["size"]: v["link"].partition("?")[0] for v in document["variations"]}
    return {"original": document["link"].partition("?")[0], **found}


def test_who_has_full_access_needs_no_signature(service: Service) -> None:
    owner = service.account()
    subscriber, admin = service.account("subscriber"), service.account("admin")
    stranger = service.account("video-encoder")
    for public, may, may_not in (
        (True, (owner, subscriber, admin), (stranger, None)),
        (False, (owner, admin), (stranger, subscriber, None)),
    ):
        links = bare_links(service, owner, service.project(owner, public=public))
        for reader in may:
            assert {service.get(url, reader).status_code for url in links.values()} == {200}
        for account in may_not:
            for size, url in links.items():
                answer = service.get(url, account)
                if size == "t":
                    assert answer.status_code == 200
                else:
                    assert "no signature" in refusal(answer)


def test_who_has_full_access_may_use_a_link_that_has_expired(service: Service, link: str) -> None:
    old = signed_with(LINK_KEY, link, 1)
    assert service.get(old, service.account("admin")).content == b"some bytes"
    assert "has expired" in refusal(service.get(old, service.account()))


def test_a_public_preview_needs_no_valid_signature(service: Service) -> None:
    owner = service.account()
    public = bare_links(service, owner, service.project(owner, public=False))["t"]
    assert service.get(f"{public}?expires=1&signature=old").status_code == 200


def test_a_disabled_user_keeps_no_access(service: Service, link: str) -> None:
    admin = service.account("admin")
    bare = link.partition("?")[0]
    assert service.get(bare, admin).status_code == 200
    service.disable(admin)
    assert service.get(bare, admin).status_code == 403


def test_a_deleted_project_gives_nobody_access(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    link = service.upload(owner, project)["link"]
    service.soft_delete(project)
    for account in (owner, service.account("admin"), None):
        assert service.get(link.partition("?")[0], account).status_code == 404


# Paths


def ask(service: Service, target: str) -> Answer:
    """A GET whose target goes over the wire as it is."""
    with connected(service.port) as wire:
        wire.send(f"GET {target} HTTP/1.1\nHost: x\n\n".encode().replace(b"\n", b"\r\n"))
        return wire.answer()


ROUTE = "/api/storage/file"


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/%252e%252e%252f%252e%252e%252fetc%252fpasswd",
        "//etc/passwd",
        "/%2Fetc%2Fpasswd",
        "/et/etc/pa/passwd",
        "/../../secrets.json",
        "/../cella.sqlite",
        "/..%5c..%5c..%5cetc%5cpasswd",
        "/{fan}/{bucket}/..%2f{shard}/{name}",
        "/{fan}/{bucket}/{shard}/../{shard}/{name}",
        "/{fan}/{bucket}/{shard}/%2e%2e%2f{shard}%2f{name}",
        "/{fan}/{bucket}/{shard}/{name}%00",
        "/{fan}/{bucket}/{shard}/{name}%00.png",
        "/{fan}/{bucket}/{shard}/{name}.",
        "/{fan}/{bucket}/{shard}/{name}%20",
        "/{fan}/{bucket}/{shard}/./{name}",
        "/{fan}/{bucket}/{shard}//{name}",
        "//{fan}/{bucket}/{shard}/{name}",
        "/{fan}/{bucket}/{shard}/{name}//",
        "/{fan}/{bucket}/{shard}/{name}%0a",
        "/{fan}/{bucket}/{shard}/{name}%0d",
        "/{fan}/{bucket}/{shard}/{name}%2f",
        "/{fan}%2f{bucket}%2F{shard}%2f{name}",
        "/%{fan}/{bucket}/{shard}/{name}",
        "/{fan}/{bucket}/xx/{name}",
        "/xx/{bucket}/{shard}/{name}",
        "/{fan}/{bucket}/_/{name}",
        "/{bucket}/_/{name}",
        "/{fan}/{bucket}/{shard}/{name}%252e",
        "/{fan}/{bucket}/{shard}",
        "/.incoming/x/y/z",
        "/" + "a/" * 3000,
        "/" + "%c0%ae%c0%ae/" * 3 + "etc/passwd",
    ],
    ids=lambda path: path[:48],
)
def test_no_path_leads_out_or_round_about(local: Service, path: str) -> None:
    """An administrator asks, so nothing but the path can be the reason."""
    admin = local.account("admin")
    document = local.upload(admin, local.project(admin))
    bucket, name = document["project"], document["name"]
    spelled = path.format(fan=bucket[:2], bucket=bucket, shard=name[:2], name=name)
    with connected(local.port) as wire:
        wire.send(
            f"GET {ROUTE}{spelled} HTTP/1.1\nHost: x\nAuthorization: Bearer {admin.token}\n\n"
        )
        answer = wire.answer()
    assert answer.status == 404
    assert json.loads(answer.body)["_error"]["name"] == "not_found"


def respelled(link: str) -> dict[str, str]:
    """Other paths that a server might take for that of a link, decoding it or tidying it up."""
    path = urlsplit(link).path
    folder, _, name = path.rpartition("/")
    return {
        "encoded dot": path.replace(".", "%2e"),
        "encoded letter": path.replace("/api/", "/%61pi/"),
        "encoded slash": f"{folder}%2f{name}",
        "encoded slash of the route": path.replace("/storage/file", "/storage%2Ffile"),
        "encoded twice": path.replace(".", "%252e"),
        "two slashes": f"{folder}//{name}",
        "two slashes at the end": f"{path}//",
        "a dot": f"{folder}/./{name}",
        "upper case": path.replace(name, name.upper()),
        "a line feed": f"{path}%0a",
        "a line feed before": f"{folder}/%0a{name}",
        "a NUL": f"{path}%00",
        "a parameter": f"{path};a=b",
    }


def test_a_signed_path_has_one_spelling(local: Service) -> None:
    """What was signed is what was received: a valid signature opens no other spelling."""
    owner = local.account()
    link = local.upload(owner, local.project(owner))["link"]
    query = urlsplit(link).query
    for how, path in respelled(link).items():
        assert ask(local, f"{path}?{query}").status == 404, how
    slash_at_the_end = f"{urlsplit(link).path}/?{query}"
    assert ask(local, slash_at_the_end).body == b"some bytes", "it means nothing on any route"


def test_a_project_whose_id_begins_alike_is_another_one(local: Service) -> None:
    owner = local.account()
    document = local.upload(owner, local.project(owner))
    link = document["link"]
    for other in (document["project"] + "0", document["project"][:-1]):
        changed = link.replace(document["project"], other)
        assert local.get(changed).status_code in (403, 404)


# Where links lead


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Forwarded-Prefix": "/evil.example", "X-Original-URL": "/evil.example"},
    ],
)
def test_no_header_steers_where_links_lead(service: Service, headers: dict[str, str]) -> None:
    owner = service.account()
    document = service.upload(owner, service.project(owner))
    answer = service.get(f"/api/files/{document['_id']}", owner, headers=headers)
    assert answer.json() == document
    assert document["link"].startswith(f"{service.url}/api/storage/file/")
    listed = service.get("/api/files", owner, headers=headers)
    assert "evil.example" not in listed.text


def test_the_configured_name_does(start: Start) -> None:
    service = start(scheme="https", server_name="media.studio.example")
    owner = service.account()
    link = service.upload(owner, service.project(owner))["link"]
    assert link.startswith("https://media.studio.example/api/storage/file/")
    assert service.get(link.replace("https://media.studio.example", "")).status_code == 200
