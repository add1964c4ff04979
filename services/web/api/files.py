"""Files over HTTP: uploaded sealed, given out only as downloads, for a purpose and on record."""

from typing import Any

from flask import Response, request
from werkzeug.exceptions import BadRequest

from contracts.api import answered
from services.web.api.auth import allowed, principal, works
from services.web.api.routes import PURPOSE, blueprint, documented, headers, purpose, route
from services.web.usecases import filing
from shared import files

materials = blueprint("files", "材料文件")
AROUND = 64 << 10  # bytes that a multipart body may need besides the file
ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}


BINARY = {"type": "string", "format": "binary"}
MULTIPART = {"multipart/form-data": {"schema": {"type": "object", "properties": {"file": BINARY}}}}
RAW = {media_type: {"schema": BINARY} for media_type in ENDINGS}


@route(materials, "POST /files", gives={201: answered.StoredFile})
@documented(requestBody={"required": True, "content": MULTIPART | RAW})
@allowed("clerk", "citizen", "channel")
def upload() -> tuple[dict[str, Any], int]:
    """Keep one PDF, JPEG or PNG of at most 10 MiB: the part `file` of multipart/form-data, or the body itself."""
    request.max_content_length = files.LARGEST + AROUND
    if request.mimetype == "multipart/form-data":
        part = request.files.get("file")
        if part is None:
            raise BadRequest
        ref = files.put(works().node, part.stream.read(files.LARGEST + 1), part.mimetype)
    else:
        ref = files.put(works().node, request.get_data(cache=False), request.mimetype)
    with works().begin() as work:
        filing.note_upload(work, principal(), ref)
    names = ("file_id", "sha256", "size", "media_type")
    return {name: getattr(ref, name) for name in names}, 201


@route(materials, "GET /files/<uuid:file_id>", gives={200: None})
@headers({PURPOSE: "工作人员查看材料的目的(必填),记录在案"})
@documented(responses={"200": {"content": RAW}})
@allowed("clerk", "citizen", "channel")
def download(file_id: object) -> Response:
    """A file as an attachment: clerks those of cases, others what they brought; on record before the first byte leaves."""
    name = str(file_id)
    with works().begin() as work:
        filing.note_look(work, principal(), name, purpose())
    ref = filing.get_ref(works().node, name)
    response = Response(files.read(works().node, name), mimetype=ref.media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{ENDINGS[ref.media_type]}"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
