"""Lists of files over HTTP: queries, orders, cursors, projections, embedding, deleted files."""

import json
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from tests.api.test_previews import picture
from tests.support.service import Account, Service, Start

from cella.catalog import files
from cella.catalog.file_search import SCAN_LIMIT
from cella.catalog.tables import project_stats
from cella.ids import new_etag, new_id
from cella.model import File, Grant, Processing, Project, Variation

NOON = 1_800_000_000
AUTOMATIC = {"_id", "_created", "_updated", "_etag"}


def add(service: Service, owner: Account, project: Project | None, **fields: Any) -> str:
    """Put a file without blobs into the catalogue; its id."""
    file_id = new_id()
    plain: dict[str, Any] = {
        "id": file_id,
        "created": NOON,
        "updated": NOON,
        "etag": new_etag(),
        "project": project.id if project else None,
        "user": owner.id,
        "name": file_id,
        "filename": "still.png",
        "content_type": "image/png",
        "length": 100,
        "backend": service.assembly.backend,
        "file_path": f"{file_id}.png",
        "status": "complete",
    }
    service.assembly.db.write_now(lambda tx: files.add(tx, File(**{**plain, **fields}), []))
    return file_id


def preview(size: str, **fields: Any) -> Variation:
    """A preview that has no bytes."""
    plain: dict[str, Any] = {"content_type": "image/jpeg", "length": 10, "file_path": f"{size}.jpg"}
    return Variation(size=size, **{**plain, **fields})


def asked(service: Service, by: Account | None, path: str = "", **query: Any) -> httpx.Response:
    """The answer to a query; what is no text is sent as JSON."""
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in query.items()
    }
    return service.get(f"/api/files{path}", by, params=parameters)


def listed(service: Service, by: Account | None, **query: Any) -> dict[str, Any]:
    """A page of files."""
    answer = asked(service, by, **query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert answer.headers["x-total-count"] == str(page["_meta"]["total"])
    return page


def ids(page: dict[str, Any]) -> list[str]:
    """The ids of a page."""
    return [item["_id"] for item in page["_items"]]


def refusal(answer: httpx.Response) -> str:
    """The sentence of a 400."""
    assert answer.status_code == 400, answer.text
    error = answer.json()["_error"]
    assert error["name"] == "bad_request"
    message: str = error["message"]
    return message


# --- where ---


def test_queries_of_every_kind_are_answered(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    bare = add(service, owner, project, created=NOON - 5, description="A night in the forest")
    picture_id = add(
        service,
        owner,
        project,
        filename="plate_010.EXR",
        variations=(preview("t", is_public=True, width=160), preview("l", width=1024)),
        processing=Processing(status="finished"),
    )
    film = add(
        service,
        owner,
        project,
        length=(1 << 53) + 1,
        width=1920,
        processing=Processing(status="processing", backend="zencoder", job_id="4711"),
    )
    queries: list[tuple[dict[str, Any], list[str]]] = [
        ({"_id": {"$in": [bare, film]}}, [bare, film]),
        ({"_created": {"$lt": formatdate(NOON, usegmt=True)}}, [bare]),
        ({"length": {"$gt": 1 << 53}}, [film]),
        ({"$or": [{"width": 1920}, {"description": {"$exists": True}}]}, [bare, film]),
        ({"$nor": [{"width": 1920}]}, [bare, picture_id]),
        ({"filename": {"$regex": r"_0\d+\.exr$", "$options": "i"}}, [picture_id]),
        ({"$text": {"$search": "forest"}}, [bare]),
        ({"variations.size": "t"}, [picture_id]),
        ({"variations": {"$size": 2}}, [picture_id]),
        ({"variations": {"$elemMatch": {"size": "t", "width": {"$gt": 1000}}}}, []),
        ({"variations.is_public": True, "variations.width": {"$gt": 1000}}, [picture_id]),
        ({"processing.status": {"$in": ["finished", "failed"]}}, [picture_id]),
        ({"processing.job_id": "4711"}, [film]),
        ({"processing": None}, [bare]),
        ({"width": {"$mod": [1000, 920]}}, [film]),
        ({"width": {"$type": "int"}}, [film]),
        ({"width": {"$not": {"$gt": 1}}}, [bare, picture_id]),
        ({"parent": {"$exists": False}}, [bare, picture_id, film]),
        ({"parent": "0" * 24}, []),
    ]
    for where, wanted in queries:
        page = listed(service, owner, where={"project": project.id, **where})
        assert (ids(page), page["_meta"]["total"]) == (wanted, len(wanted)), where


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"where": 'filename=="x" and length>3'}, "the Python form is not accepted"),
        ({"where": "[]"}, "JSON object"),
        ({"where": '"x"'}, "JSON object"),
        ({"where": "{" * 5000}, "not valid JSON"),
        ({"where": '{"a":' * 3000}, "not valid JSON"),
        ({"where": '{"a": 1e999}'}, "not valid JSON"),
        ({"where": '{"filename": "' + "x" * 17_000 + '"}'}, "longer than"),
        ({"where": {"$where": "1"}}, "$where"),
        ({"where": {"filename": {"$regex": "(a+)+$"}}}, "itself repeated"),
        ({"where": {"link_expires": {"$exists": True}}}, "link_expires"),
        ({"sort": ")("}, "`sort`"),
        ({"sort": "variations.size"}, "variations.size"),
        ({"sort": "link"}, "link"),
        ({"sort": "_deleted"}, "_deleted"),
        ({"sort": "filename,,"}, "`sort`"),
        ({"sort": '[("filename", 2)]'}, "`sort`"),
        ({"sort": '[("filename", 1), ]x'}, "`sort`"),
        ({"sort": '[("filename", __import__("os"))]'}, "`sort`"),
        ({"sort": "[('filename\", 1)]"}, "`sort`"),
        ({"sort": "[(" * 3000}, "`sort`"),
        ({"sort": "[" + "('name', 1)," * 2000 + "]"}, "longer than"),
        ({"cursor": "garbage"}, "`cursor`"),
        ({"projection": "filename"}, "`projection`"),
        ({"projection": "[]"}, "`projection`"),
        ({"projection": {"filename": 2}}, "`projection`"),
        ({"projection": {"filename": "1"}}, "`projection`"),
        ({"projection": {"filename": {"$slice": 1}}}, "`projection`"),
        ({"projection": {"filename": None}}, "`projection`"),
        ({"projection": {"filename": 1, "name": 0}}, "`projection`"),
        ({"projection": '{"a":' * 900}, "`projection`"),
        ({"projection": {"x" * 5000: 1}}, "`projection`"),
        ({"embedded": "project"}, "`embedded`"),
        ({"embedded": "[]"}, "`embedded`"),
        ({"embedded": "7"}, "`embedded`"),
        ({"embedded": "{" * 5000}, "`embedded`"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_makes_no_sense_is_refused(service: Service, query: dict[str, Any], said: str) -> None:
    assert said in refusal(asked(service, service.account(), **query))


@pytest.mark.parametrize("name", ["projection", "embedded"])
def test_a_document_by_itself_takes_no_nonsense_either(service: Service, name: str) -> None:
    owner = service.account()
    file_id = add(service, owner, service.project(owner))
    assert f"`{name}`" in refusal(asked(service, owner, f"/{file_id}", **{name: "nonsense"}))


def test_a_query_that_takes_too_long_is_given_up(start: Start) -> None:
    service = start(database_search_seconds=0.1)
    owner = service.account()
    project = service.project(owner)
    first = add(service, owner, project, variations=tuple(map(preview, "sbtmlh")))
    one = service.file(first)
    many = [msgspec.structs.replace(one, id=new_id(), etag=new_etag()) for _ in range(3000)]
    service.assembly.db.write_now(lambda tx: files.add_all(tx, many))
    slow = {"$or": [{"variations.file_path": {"$regex": "[a-z]{9}q"}}] * 18}
    # A machine that is busy elsewhere may not even begin in time.
    answers = (asked(service, owner, where=slow) for _ in range(100))
    assert "given up" in refusal(next(each for each in answers if each.status_code != 503))
    for quick in ({}, {"where": {"project": project.id}}):
        assert listed(service, owner, **quick)["_meta"]["total"] == 3001
    assert asked(service, owner, f"/{first}").status_code == 200


def test_who_asks_for_too_much_is_told_to_name_a_project(service: Service) -> None:
    owner, stranger = service.account(), service.account()
    project = service.project(owner)
    file_id = add(service, owner, project)
    say = sa.update(project_stats).where(project_stats.c.project_id == project.id)
    service.assembly.db.write_now(lambda tx: tx.execute(say.values(files=SCAN_LIMIT + 1)))
    try:
        for query in ({"where": {"status": "complete"}}, {"sort": "filename"}):
            assert "name a project" in refusal(asked(service, stranger, **query))
            assert "name a project" in refusal(asked(service, None, **query))
        named = {"project": project.id, "status": "complete"}
        assert ids(listed(service, stranger, where=named)) == [file_id]
        assert file_id in ids(listed(service, owner, where={"status": "complete"}, sort="-_id"))
    finally:
        service.assembly.db.write_now(lambda tx: tx.execute(say.values(files=1)))


# --- sort ---


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("-length,filename", [2, 1, 0]),
        ("[('length', -1), ('filename', 1)]", [2, 1, 0]),
        ('[("filename", 1), ("_created", -1)]', [1, 0, 2]),
        ('[ ( "filename" ,1 ) ,("length",-1,),]', [1, 0, 2]),
        ("[]", [0, 1, 2]),
        ("", [0, 1, 2]),
        (" filename , -length ", [1, 0, 2]),
        ("width,-_id", [2, 0, 1]),
        ("-width", [1, 0, 2]),
        ("processing.status", [0, 2, 1]),
        ("-processing.status,_id", [1, 0, 2]),
        ("-description", [2, 1, 0]),
    ],
)
def test_orders_in_both_forms(service: Service, sort: str, wanted: list[int]) -> None:
    owner = service.account()
    project = service.project(owner)
    made = [
        add(service, owner, project, length=1, filename="a", created=NOON, width=5),
        add(
            service,
            owner,
            project,
            length=2,
            filename="a",
            created=NOON + 1,
            width=7,
            processing=Processing(status="failed"),
            description="a",
        ),
        add(service, owner, project, length=3, filename="b", created=NOON, description="b"),
    ]
    page = listed(service, owner, where={"project": project.id}, sort=sort)
    assert ids(page) == [made[number] for number in wanted]


# --- Cursors ---


def follow(service: Service, by: Account | None, **query: Any) -> list[dict[str, Any]]:
    """All pages, from link to link."""
    pages = [listed(service, by, **query)]
    while "_links" in pages[-1]:
        link = pages[-1]["_links"]["next"]
        assert link["title"] == "next page"
        assert len(pages) < 100
        answer = service.get(f"/api/{link['href']}", by)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
    return pages


@pytest.mark.parametrize("sort", ["", "-_created", "filename,-width", '[("width", -1)]'])
@pytest.mark.parametrize("where", ["project", "projects", "status", "nothing"])
def test_links_lead_from_page_to_page(service: Service, sort: str, where: str) -> None:
    owner = service.account()
    both = [service.project(owner, public=False) for _ in range(2)]
    made = [
        add(
            service,
            owner,
            both[number % 2],
            created=NOON + number // 4,
            filename=f"{number % 3}é&=.png",
            width=number % 4 or None,
        )
        for number in range(11)
    ]
    conditions: dict[str, dict[str, Any]] = {
        "project": {"project": both[0].id},
        "projects": {"project": {"$in": [each.id for each in both]}},
        "status": {"status": "complete", "user": owner.id},
        "nothing": {"_id": {"$in": made}},
    }
    query = {"where": conditions[where], "sort": sort, "projection": {"filename": 1}}
    whole = listed(service, owner, **query)
    pages = follow(service, owner, **query, max_results="4")
    assert [item for page in pages for item in page["_items"]] == whole["_items"]
    total = len(whole["_items"])
    assert len(pages) == -(-total // 4)
    for page in pages:
        assert page["_meta"] == {"page": 1, "max_results": 4, "total": total}


def test_a_link_says_again_what_was_asked(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    for _ in range(5):
        add(service, owner, project)
    where = json.dumps({"project": project.id, "filename": "still.png"})
    query = {"where": where, "max_results": "2", "page": "2", "projection": '{"user": 1}'}
    page = listed(service, owner, **query)
    assert page["_meta"]["page"] == 2
    link = urlsplit(page["_links"]["next"]["href"])
    kept = parse_qs(link.query)
    assert link.path == "files"
    assert len(kept.pop("cursor")) == 1
    assert kept == {"where": [where], "max_results": ["2"], "projection": ['{"user": 1}']}
    assert len(service.get(f"/api/{page['_links']['next']['href']}", owner).json()["_items"]) == 1


def test_there_is_no_link_behind_the_last_page(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    for _ in range(4):
        add(service, owner, project)
    where = {"project": project.id}
    assert "_links" not in listed(service, owner, where=where)
    assert "_links" in listed(service, owner, where=where, max_results="2")
    assert "_links" not in listed(service, owner, where=where, max_results="2", page="2")
    assert "_links" not in listed(service, owner, where=where, max_results="4")


def test_a_cursor_goes_with_its_order_only(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    for _ in range(3):
        add(service, owner, project)
    page = listed(service, owner, where={"project": project.id}, sort="-_created", max_results="1")
    cursor = parse_qs(urlsplit(page["_links"]["next"]["href"]).query)["cursor"][0]
    for sort in ("", "_created", "-_created,filename"):
        assert "`cursor`" in refusal(asked(service, owner, sort=sort, cursor=cursor))
    assert listed(service, None, where={"project": project.id}, sort="-_created", cursor=cursor)


def test_a_cursor_opens_nothing(service: Service) -> None:
    owner, stranger = service.account(), service.account()
    project = service.project(owner, public=False)
    for _ in range(3):
        add(service, owner, project)
    page = listed(service, owner, where={"project": project.id}, max_results="1")
    answer = service.get(f"/api/{page['_links']['next']['href']}", stranger).json()
    assert answer == {"_items": [], "_meta": {"page": 1, "max_results": 1, "total": 0}}


# --- projection ---


def drawn(service: Service, owner: Account, project: Project) -> dict[str, Any]:
    """A picture with all its previews."""
    document = service.upload(owner, project, picture(300, 200), "a.png", "image/png")
    service.wait_until_idle()
    return service.document(owner, document["_id"])


def both_ways(service: Service, by: Account | None, file_id: str, **query: Any) -> dict[str, Any]:
    """The document by itself, which is the same in a list."""
    answer = asked(service, by, f"/{file_id}", **query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    assert answer.headers["etag"] == f'"{document["_etag"]}"'
    assert listed(service, by, where={"_id": file_id}, **query)["_items"] == [document]
    return document


def test_a_projection_narrows_and_breaks_nothing(service: Service) -> None:
    owner = service.account()
    file_id = drawn(service, owner, service.project(owner))["_id"]
    service.change(file_id, processing=Processing(status="finished", job_id="7"))
    whole = service.document(owner, file_id)
    variations = whole["variations"]

    def kept(*names: str) -> dict[str, Any]:
        return {name: whole[name] for name in whole if name in {*AUTOMATIC, *names}}

    def but(*names: str) -> dict[str, Any]:
        return {name: value for name, value in whole.items() if name not in names}

    sdk = {"_id": 1, "backend": 1, "file_path": 1, "project": 1, "link_expires": 1, "length": 1}
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, whole),
        ({"filename": 1}, kept("filename")),
        ({"filename": True, "md5": 1}, kept("filename", "md5")),
        ({"link": 1}, kept("link")),
        ({"variations": 1}, kept("variations")),
        ({"variations": 1, "variations.size": 1}, kept("variations")),
        ({"nonsense": 1}, kept()),
        ({"filename": 1, "nonsense.a.b.c.d.e": 1}, kept("filename")),
        ({"filename": 1, "_id": 0, "_etag": 0}, kept("filename")),
        ({"_id": 1}, kept()),
        ({"_id": 0}, whole),
        ({"filename": 0}, but("filename")),
        ({"filename": False, "_id": 1, "nonsense": 0}, but("filename")),
        ({"_created": 0, "link": 0}, but("link")),
        (sdk, kept(*sdk)),
        (
            {"variations.size": 1, "variations.link": 1},
            {
                **kept(),
                "variations": [{n: v[n] for n in ("size", "link") if n in v} for v in variations],
            },
        ),
        (
            {"variations.link": 0},
            {**whole, "variations": [{n: v[n] for n in v if n != "link"} for v in variations]},
        ),
        ({"processing.status": 1}, {**kept(), "processing": {"status": "finished"}}),
        ({"processing.status": 0}, {**whole, "processing": {"backend": "local", "job_id": "7"}}),
        ({"filename.x": 1}, kept()),
        ({"filename.x": 0}, whole),
    ]
    for projection, document in wanted:
        assert both_ways(service, owner, file_id, projection=projection) == document, projection
    # Links are spelled from the whole document, whatever was asked for before.
    assert both_ways(service, owner, file_id) == whole
    for variation in variations:
        assert service.get(variation["link"]).status_code == 200


def test_a_projection_shows_nobody_more(service: Service) -> None:
    owner, stranger = service.account(), service.account()
    whole = drawn(service, owner, service.project(owner))
    projections: list[dict[str, int]] = [{"link": 1, "link_expires": 1}, {"filename": 0}]
    for projection in projections:
        for by in (stranger, None):
            document = both_ways(service, by, whole["_id"], projection=projection)
            assert not {"link", "link_expires"} & document.keys()
    document = both_ways(service, None, whole["_id"], projection={"variations.link": 1})
    assert [each for each in document["variations"] if each] == [
        {"link": each["link"]} for each in whole["variations"] if each.get("is_public")
    ]


def test_a_projection_shows_the_newest_state(service: Service) -> None:
    owner = service.account()
    file_id = add(service, owner, service.project(owner), description="old")
    for description in ("old", "new", "newer"):
        service.change(file_id, description=description)
        document = both_ways(service, owner, file_id, projection={"description": 1})
        assert document["description"] == description


# --- embedded ---


def test_a_project_is_embedded_as_its_reader_would_get_it(service: Service) -> None:
    owner, stranger, admin = service.account(), service.account(), service.account("admin")
    project = service.project(owner)
    file_id = add(service, owner, project)
    ignored: list[dict[str, Any]] = [{}, {"user": 1}, {"project": 0}, {"project": "1"}]
    for by in (owner, stranger, admin, None):
        whole = both_ways(service, by, file_id)
        alone = service.get(f"/api/projects/{project.id}", by).json()
        for embedded in ({"project": 1}, {"project": True, "user": 1, "nonsense": 1}):
            document = both_ways(service, by, file_id, embedded=embedded)
            assert document == {**whole, "project": alone}
        for embedded in ignored:
            assert both_ways(service, by, file_id, embedded=embedded) == whole


def test_embedding_goes_with_a_projection(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    file_id = add(service, owner, project)
    alone = service.get(f"/api/projects/{project.id}", owner).json()
    query = {"embedded": {"project": 1}}
    document = both_ways(service, owner, file_id, projection={"project": 1}, **query)
    assert document["project"] == alone
    document = both_ways(service, owner, file_id, projection={"project.name": 1}, **query)
    assert document["project"] == {"name": project.name}
    document = both_ways(service, owner, file_id, projection={"filename": 1}, **query)
    assert document.keys() == {*AUTOMATIC, "filename"}


def test_a_file_without_a_project_has_none_to_embed(service: Service) -> None:
    owner = service.account()
    file_id = add(service, owner, None)
    assert "project" not in both_ways(service, owner, file_id, embedded={"project": 1})


def test_embedding_opens_no_project(service: Service) -> None:
    """The original embedded private projects for everybody."""
    owner, stranger = service.account(), service.account()
    private = service.project(owner, public=False)
    file_id = add(service, owner, private)
    for by in (stranger, None):
        answer = asked(service, by, f"/{file_id}", embedded={"project": 1})
        assert answer.status_code == 403
        assert private.name not in answer.text
        assert listed(service, by, where={"_id": file_id}, embedded={"project": 1})["_items"] == []


def test_a_changed_project_shows_where_it_is_embedded(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    file_id = add(service, owner, project)
    path = f"/api/files/{file_id}"
    embedded = {"embedded": '{"project": 1}'}
    before = service.get(path, owner, params=embedded)
    current = {"If-None-Match": before.headers["etag"]}
    answer = service.get(f"/api/projects/{project.id}", owner).json()
    sent = {**answer, "description": "changed"}
    put = service.request(
        "PUT",
        f"/api/projects/{project.id}",
        owner,
        json=sent,
        headers={"If-Match": answer["_etag"]},
    )
    assert put.status_code == 200, put.text
    after = service.get(path, owner, params=embedded, headers=current)
    assert after.status_code == 200
    assert after.json()["project"]["description"] == "changed"
    assert service.get(path, owner, headers=current).status_code == 304


# --- Deleted files ---


def test_deleted_files_are_shown_to_those_only_who_may_delete(service: Service) -> None:
    owner, deleter, reader = service.account(), service.account(), service.account()
    uploader, blind = service.account(), service.account()
    project = service.project_with(
        owner,
        world=("GET", "POST"),
        grants=(Grant(deleter.id, ("DELETE",)), Grant(reader.id, ("GET",))),
    )
    private = service.project_with(owner, world=(), grants=(Grant(blind.id, ("DELETE",)),))
    kept = add(service, uploader, project)
    gone = add(service, uploader, project, deleted=NOON, filename="secret.png", length=7777)
    hidden = add(service, uploader, private, deleted=NOON)
    people: dict[str, Account | None] = {
        "admin": service.account("admin"),
        "deleter": deleter,
        "reader": reader,
        "uploader": uploader,
        "subscriber": service.account("subscriber"),
        "anonymous": None,
        "blind": blind,
    }
    here = {"project": project.id}
    for who, by in people.items():
        sees = [kept, gone] if who in ("admin", "deleter") else [kept]
        assert ids(listed(service, by, where=here)) == [kept]
        for shown in ("", "0", "false", "1"):
            page = listed(service, by, where=here, show_deleted=shown)
            assert (ids(page), page["_meta"]["total"]) == (sees, len(sees)), who
        assert ids(listed(service, by, where={**here, "_deleted": True})) == sees[1:]
        assert ids(listed(service, by, where={**here, "_deleted": {"$ne": True}})) == [kept]
        assert ids(listed(service, by, where={**here, "_deleted": False})) == [kept]
        both = {"_id": {"$in": [kept, gone]}, "$or": [{"_deleted": True}, {"length": 100}]}
        assert ids(listed(service, by, where=both)) == sees
        page = listed(service, by, where={"_id": hidden}, show_deleted="")
        assert ids(page) == ([hidden] if who == "admin" else [])

        answer = asked(service, by, f"/{gone}")
        assert answer.status_code == 404
        answer = asked(service, by, f"/{gone}", show_deleted="")
        if gone in sees:
            document = answer.json()
            assert document["_deleted"] is True
            assert document["filename"] == "secret.png"
            assert not {"link", "link_expires"} & document.keys()
            assert both_ways(service, by, gone, show_deleted="1") == document
            assert (
                "_deleted"
                in asked(service, by, f"/{gone}", show_deleted="", projection={"name": 1}).json()
            )
        else:
            assert answer.status_code == 404
            assert answer.json()["_error"]["name"] == "not_found"
            assert "secret" not in answer.text
            assert "7777" not in answer.text
        hidden_answer = asked(service, by, f"/{hidden}", show_deleted="")
        wanted = {"admin": 200, "blind": 403}.get(who, 404)
        assert hidden_answer.status_code == wanted
        assert "_deleted" not in asked(service, by, f"/{kept}", show_deleted="").json()


def test_a_deleted_file_has_no_links_at_all(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    whole = drawn(service, owner, project)
    path = f"/api/files/{whole['_id']}"
    answer = service.request("DELETE", path, owner, headers={"If-Match": whole["_etag"]})
    assert answer.status_code == 204
    document = both_ways(service, owner, whole["_id"], show_deleted="")
    assert not [each for each in (document, *document["variations"]) if "link" in each]
    assert document["_etag"] != whole["_etag"]


def test_files_of_a_deleted_project_stay_gone(service: Service) -> None:
    owner, admin = service.account(), service.account("admin")
    project = service.project(owner)
    made = [add(service, owner, project), add(service, owner, project, deleted=NOON)]
    service.soft_delete(project)
    for by in (owner, admin, None):
        for where in ({"project": project.id}, {"_id": {"$in": made}}, {"user": owner.id}):
            assert ids(listed(service, by, where=where, show_deleted="")) == []
        for file_id in made:
            assert asked(service, by, f"/{file_id}", show_deleted="").status_code == 404


# --- Files without a project ---


def test_files_without_a_project_are_the_uploaders_own(service: Service) -> None:
    owner, stranger, admin = service.account(), service.account(), service.account("admin")
    loose = add(service, owner, None)
    gone = add(service, owner, None, deleted=NOON)
    inside = add(service, owner, service.project(owner, public=False))
    for by, sees in ((owner, True), (stranger, False), (None, False), (admin, True)):
        found = [loose] if sees else []
        for where in ({"_id": loose}, {"user": owner.id, "project": None}):
            page = listed(service, by, where=where)
            assert (ids(page), page["_meta"]["total"]) == (found, len(found))
        both = {"_id": {"$in": [loose, gone]}}
        page = listed(service, by, where=both, show_deleted="")
        assert ids(page) == ([loose, gone] if sees else [])
        assert asked(service, by, f"/{gone}").status_code == 404
        answer = asked(service, by, f"/{gone}", show_deleted="")
        assert answer.status_code == (200 if sees else 404)
    elsewhere = listed(service, stranger)["_meta"]["total"]
    everything = listed(service, owner, sort="-_id")
    assert ids(everything)[:2] == [inside, loose]
    assert everything["_meta"]["total"] == elsewhere + 2


# --- Conditions ---


def test_lists_know_no_conditions(service: Service) -> None:
    owner = service.account()
    project = service.project(owner)
    add(service, owner, project)
    query = {"where": json.dumps({"project": project.id})}
    first = service.get("/api/files", owner, params=query)
    assert first.headers["last-modified"] == formatdate(NOON, usegmt=True)
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        for date in (first.headers["last-modified"], formatdate(0, usegmt=True), "garbage"):
            answer = service.get("/api/files", owner, params=query, headers={header: date})
            assert (answer.status_code, answer.content) == (200, first.content)
