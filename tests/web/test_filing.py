"""Files over HTTP: uploaded sealed, fetched by those they are for, and never without a record."""

import io

import pytest
from sqlalchemy import select

from contracts.api import answered
from shared.audit import audit_rows
from tests.web.scene import OTHER_NUMBER, TOWNSHIP, Scene
from tests.web.test_api import PURPOSE, faults, naming

PDF = b"%PDF-1.7 x"
CASE_ID = "01999999-0000-7000-8000-00000000abcd"


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def upload(scene, token, content=PDF, media_type="application/pdf", **more):
    return scene.ask("POST", "/files", token, data=content, content_type=media_type, **more)


def test_a_file_becomes_a_material_and_is_given_out_as_an_attachment(scene):
    token = scene.token()
    stored = upload(scene, token)
    assert (stored.status_code, faults(answered.StoredFile(), stored.json)) == (201, [])
    file_id = stored.json["file_id"]
    assert scene.ask("GET", f"/files/{file_id}", token, headers=PURPOSE).status_code == 404
    scene.take_in(token, materials=[{"code": "disability-card", "source": "applicant", "file_id": file_id}])
    found = scene.ask("GET", f"/files/{file_id}", token, headers=PURPOSE)
    assert (found.data, found.mimetype) == (PDF, "application/pdf")
    assert found.headers["Content-Disposition"] == f'attachment; filename="{file_id}.pdf"'
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in found.headers["Content-Security-Policy"]
    assert scene.ask("GET", f"/files/{file_id}", token).json["code"] == "purpose_missing"


def test_citizens_and_channels_fetch_what_they_brought_and_nothing_else(scene):
    citizen, other = scene.token("citizen", "c-1"), scene.token("citizen", "c-2", id_number=OTHER_NUMBER)
    portal, rival = (scene.token("channel", actor) for actor in ("portal", "rival"))
    his, hers = naming(scene), naming(scene, OTHER_NUMBER)
    own = upload(scene, citizen).json["file_id"]
    by_portal = upload(scene, portal, headers=his).json["file_id"]
    by_clerk = upload(scene, scene.token()).json["file_id"]

    def fetched(file_id, token, headers=None):
        return scene.ask("GET", f"/files/{file_id}", token, headers=headers or {}).status_code

    assert [fetched(own, citizen), fetched(by_portal, citizen), fetched(by_portal, portal, his)] == [200] * 3
    with scene.works.begin() as work:
        rows = work.execute(select(audit_rows)).all()
    assert [(row.act, row.purpose, row.subject, bool(row.person_index)) for row in rows] == [
        ("open_file", "own_file", own, True),
        ("open_file", "own_file", by_portal, True),
        ("open_file", "act_for_citizen", by_portal, True),
    ]
    denied = [fetched(own, other), fetched(by_portal, other), fetched(by_clerk, citizen), fetched(CASE_ID, citizen)]
    denied += [fetched(own, portal, his), fetched(by_portal, portal, hers), fetched(by_portal, rival, his)]
    assert denied == [404] * 7
    assert fetched(by_portal, portal) == 403, "a channel must say for whom"
    with scene.works.begin() as work:
        assert len(work.execute(select(audit_rows)).all()) == 3


def test_what_a_citizen_brought_is_on_record_under_its_case(scene):
    citizen = scene.token("citizen", "c-1")
    file_id = upload(scene, citizen).json["file_id"]
    brought = [{"code": "disability-card", "source": "applicant", "file_id": file_id}]
    case_id = scene.take_in(citizen, office=TOWNSHIP, materials=brought)["case_id"]
    found = scene.ask("GET", f"/files/{file_id}", citizen)
    assert (found.data, found.headers["X-Content-Type-Options"]) == (PDF, "nosniff")
    with scene.works.begin() as work:
        [row] = work.execute(select(audit_rows)).all()
    assert (row.subject, row.office) == (case_id, "")


def test_a_form_upload_is_as_good_and_touches_no_disk_unsealed(scene):
    big = b"%PDF-" + b"0" * 100_000
    form = {"file": (io.BytesIO(big), "何守田.pdf", "application/pdf")}
    stored = scene.ask("POST", "/files", scene.token(), data=form, content_type="multipart/form-data")
    assert (stored.status_code, stored.json["size"]) == (201, len(big))
    assert isinstance(scene.app.request_class({})._get_file_stream(None, "", None, None), io.BytesIO)


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"", "application/pdf", 422, "file_empty"),
        (b"<script>", "application/pdf", 422, "file_type_not_allowed"),
        (PDF, "image/png", 422, "file_type_mismatch"),
        (b"%PDF-" + b"0" * (11 << 20), "application/pdf", 413, "body_too_large"),
    ],
)
def test_hostile_files_are_refused(scene, content, media_type, status, code):
    answer = upload(scene, scene.token(), content, media_type)
    assert (answer.status_code, answer.json["code"]) == (status, code)
