"""The sealed file store: what goes in comes out, nothing else gets in, and nobody reads it from the disk."""

import hashlib
import io
import shutil
import uuid
from dataclasses import asdict

import pytest

from shared import files
from shared.crypto.sealing import SealError
from shared.errors import NotFound, Refused
from tests.builders import make_node, make_nodes

PDF = b"%PDF-1.7\n" + "何守田 残疾人证".encode() * 50
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 40
PNG = b"\x89PNG\r\n\x1a\n" + b"\x01" * 40
KINDS = [(PDF, "application/pdf"), (JPEG, "image/jpeg"), (PNG, "image/png")]


def kept_files(node):
    return [path for path in (node.home / "files").rglob("*") if path.is_file()]


@pytest.mark.parametrize(("content", "media_type"), KINDS)
def test_a_file_comes_out_as_it_went_in(tmp_path, content, media_type):
    node = make_node(tmp_path)
    ref = files.put(node, content, media_type)
    assert files.read(node, ref.file_id) == content
    assert asdict(ref) == {
        "file_id": ref.file_id,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "media_type": media_type,
    }
    assert files.get_ref(node, ref.file_id) == ref
    assert uuid.UUID(ref.file_id).version == 7


def test_a_stream_is_kept_like_bytes(tmp_path):
    node = make_node(tmp_path)
    ref = files.put(node, io.BytesIO(PDF), "application/pdf")
    assert files.read(node, ref.file_id) == PDF


def test_nothing_readable_lies_on_the_disk(tmp_path):
    node = make_node(tmp_path)
    ref = files.put(node, PDF, "application/pdf")
    [path] = kept_files(node)
    raw = path.read_bytes()
    for secret in (b"%PDF", "何守田".encode(), ref.sha256.encode(), b"application/pdf"):
        assert secret not in raw
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("content", "media_type", "code"),
    [
        (b"", "application/pdf", "file_empty"),
        (b"%PDF-" + b"0" * files.LARGEST, "application/pdf", "file_too_large"),
        (b"<html><script>alert(1)</script>", "text/html", "file_type_not_allowed"),
        (b"MZ\x90\x00", "application/pdf", "file_type_not_allowed"),
        (b" %PDF-1.7", "application/pdf", "file_type_not_allowed"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", "file_type_not_allowed"),
        (PNG, "application/pdf", "file_type_mismatch"),
        (PDF, "text/html", "file_type_mismatch"),
    ],
)
def test_hostile_content_is_refused_and_not_kept(tmp_path, content, media_type, code):
    node = make_node(tmp_path)
    with pytest.raises(Refused) as refused:
        files.put(node, content, media_type)
    assert refused.value.code == code
    assert not (node.home / "files").exists()


def test_a_file_of_exactly_the_largest_size_is_kept(tmp_path):
    node = make_node(tmp_path)
    content = b"%PDF-" + b"0" * (files.LARGEST - 5)
    assert files.put(node, content, "application/pdf").size == files.LARGEST


def test_an_endless_stream_is_not_read_to_its_end(tmp_path):
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert 0 < size <= files.LARGEST + 1
            return b"%PDF-" + b"0" * (size - 5)

    with pytest.raises(Refused, match="file_too_large"):
        files.put(make_node(tmp_path), Endless(), "application/pdf")


@pytest.mark.parametrize(
    "file_id",
    ["", "../keys.json", "../../etc/passwd", "x", str(uuid.uuid4()).upper(), "{" + str(uuid.uuid4()) + "}"],
)
def test_only_a_plain_uuid_leads_to_a_file(tmp_path, file_id):
    with pytest.raises(NotFound, match="file_unknown"):
        files.read(make_node(tmp_path), file_id)


def test_an_unknown_file_is_not_found(tmp_path):
    node = make_node(tmp_path)
    with pytest.raises(NotFound, match="file_unknown"):
        files.get_ref(node, str(uuid.uuid4()))


def test_keeping_a_received_file_twice_is_harmless(tmp_path):
    node, file_id = make_node(tmp_path), str(uuid.uuid4())
    first = files.put(node, PDF, "application/pdf", file_id)
    assert files.put(node, PDF, "application/pdf", file_id) == first
    assert first.file_id == file_id


def test_another_content_never_replaces_a_file(tmp_path):
    node, file_id = make_node(tmp_path), str(uuid.uuid4())
    files.put(node, PDF, "application/pdf", file_id)
    with pytest.raises(Refused, match="file_exists"):
        files.put(node, PNG, "image/png", file_id)
    assert files.read(node, file_id) == PDF


def test_a_received_file_cannot_be_put_outside_the_folder(tmp_path):
    node = make_node(tmp_path)
    with pytest.raises(NotFound, match="file_unknown"):
        files.put(node, PDF, "application/pdf", "../../escaped")
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.parametrize("position", [2, 20, -1])
def test_an_altered_file_does_not_open(tmp_path, position):
    node = make_node(tmp_path)
    ref = files.put(node, PDF, "application/pdf")
    [path] = kept_files(node)
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)
    with pytest.raises(SealError):
        files.read(node, ref.file_id)


def test_a_file_moved_to_another_name_does_not_open(tmp_path):
    node = make_node(tmp_path)
    first, second = files.put(node, PDF, "application/pdf"), files.put(node, PNG, "image/png")
    path = {ref.file_id: node.home / "files" / ref.file_id[-2:] / f"{ref.file_id}.sealed" for ref in (first, second)}
    shutil.copyfile(path[second.file_id], path[first.file_id])
    with pytest.raises(SealError):
        files.read(node, first.file_id)


def test_another_city_cannot_open_a_file(tmp_path):
    sanya, lanzhou = make_nodes(tmp_path, "460200", "620100").values()
    ref = files.put(sanya, PDF, "application/pdf")
    shutil.copytree(sanya.home / "files", lanzhou.home / "files")
    with pytest.raises(SealError):
        files.read(lanzhou, ref.file_id)


def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    node = make_node(tmp_path)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.put(node, PDF, "application/pdf")
    assert kept_files(node) == []


@pytest.mark.parametrize("moment", ["fdopen", "fsync"])
def test_what_breaks_off_leaves_the_old_file_or_none(tmp_path, monkeypatch, moment):
    """A disk that is full at that moment stands for a crash: neither an empty nor half a file under the name."""
    old, new = tmp_path / "directory.json", tmp_path / "keys.json"
    files.replace_file(old, "old")

    def full(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, moment, full)
    with pytest.raises(OSError, match="No space"):
        files.replace_file(old, "new")
    with pytest.raises(OSError, match="No space"):
        files.write_new(new, {"secret": 1})
    assert old.read_text() == "old"
    assert not new.exists()


def test_a_replaced_file_is_durable_before_and_after_it_has_its_name(tmp_path, monkeypatch):
    path, synced = tmp_path / "roots.json", []
    files.replace_file(path, "old")
    monkeypatch.setattr(files.os, "fsync", lambda _descriptor: synced.append(path.read_text()))
    files.replace_file(path, "new", mode=0o600)
    assert synced == ["old", "new"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
