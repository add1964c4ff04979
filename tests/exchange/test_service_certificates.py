"""A hub as in production: cities log in by certificate, at a broker with the hub's own configuration."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy import broker, hub, state
from deploy.children import free_port
from services.exchange.rules import Fate
from services.exchange.service.link import AUTHORITY, CERTIFICATE, KEY, LOST
from services.exchange.service.pika_hub import PikaHub
from tests.certificates import Authority
from tests.exchange.cities import LANZHOU, SANYA, WEIHAI, parcel_for
from tests.servers import RUNS

AUTHORITIES = {"the hub's": Authority(), "another": Authority()}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Of a hub for Sanya and Lanzhou, naming no user."""
    folder, port = RUNS / str(os.getpid()) / "rabbitmq-hub", free_port()
    with tempfile.TemporaryDirectory() as name:
        certificates = Path(name)
        certificates.chmod(0o755)  # the broker is not who runs the test
        (certificates / "ca.pem").write_bytes(AUTHORITIES["the hub's"].pem)
        AUTHORITIES["the hub's"].issue("hub", certificates / "hub.pem", certificates / "hub-key.pem")
        settings = hub.configuration(certificates, f"127.0.0.1:{port}")
        settings = settings.replace("listeners.tcp = none", "")  # a private broker is asked there whether it is up
        server = broker.start(folder, tied=True, settings=settings, plugins=hub.PLUGINS)
        broker.import_definitions(server, hub.definitions([{"code": SANYA}, {"code": LANZHOU}]))
        yield f"amqps://127.0.0.1:{port}/{hub.VHOST}"
        state.remove(state.killed(server))


def home(folder: Path, name: str, by: str = "the hub's", trusts: str = "the hub's") -> Path:
    """A home with the certificate of that common name."""
    made = folder / f"{name}-{by}-{trusts}"
    made.mkdir()
    (made / AUTHORITY).write_bytes(AUTHORITIES[trusts].pem)
    AUTHORITIES[by].issue(name, made / CERTIFICATE, made / KEY)
    return made


def test_cities_write_to_each_other_with_certificates_and_no_password(url: str, tmp_path: Path) -> None:
    parcel = parcel_for(LANZHOU)
    with closing(PikaHub(url, SANYA, certificates=home(tmp_path, SANYA))) as sanya:
        assert sanya.publish([parcel]) == {parcel.message_id: Fate.CONFIRMED}
    with closing(PikaHub(url, LANZHOU, certificates=home(tmp_path, LANZHOU))) as lanzhou:
        came = []
        while not came:
            came = lanzhou.fetch(10, 5)
        lanzhou.ack(came)
    assert [(one.routing_key, one.user) for one in came] == [(parcel.routing_key, SANYA)]


def test_the_operator_publishes_the_directory_with_a_certificate(url: str, tmp_path: Path) -> None:
    with closing(PikaHub(url, hub.OPERATOR, certificates=home(tmp_path, hub.OPERATOR))) as operator:
        operator.publish_directory("signed")
    with closing(PikaHub(url, LANZHOU, certificates=home(tmp_path, LANZHOU))) as lanzhou:
        seen: list[str] = []
        while not seen:
            lanzhou.fetch(1, 1)
            seen = lanzhou.directories()
    assert seen == ["signed"]


REFUSED = {
    "of another authority": {"name": SANYA, "by": "another"},
    "of a city that is not joined": {"name": WEIHAI},
    "of no city": {"name": "guest"},
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_a_wrong_certificate_does_not_get_in(given: dict[str, str], url: str, tmp_path: Path) -> None:
    with closing(PikaHub(url, SANYA, certificates=home(tmp_path, **given))) as stranger, pytest.raises(LOST):
        stranger.publish([parcel_for(LANZHOU)])


def test_a_city_speaks_with_its_certificate_for_no_other(url: str, tmp_path: Path) -> None:
    certificates = home(tmp_path, LANZHOU)
    with closing(PikaHub(url, SANYA, certificates=certificates)) as forger, pytest.raises(LOST):
        forger.publish([parcel_for(LANZHOU)])
    with closing(PikaHub(url, LANZHOU, certificates=certificates)) as forger, pytest.raises(LOST):
        forger.publish([parcel_for(SANYA, source=SANYA)])


def test_a_hub_of_another_authority_is_not_believed(url: str, tmp_path: Path) -> None:
    certificates = home(tmp_path, SANYA, trusts="another")
    with closing(PikaHub(url, SANYA, certificates=certificates)) as sanya, pytest.raises(LOST):
        sanya.publish([parcel_for(LANZHOU)])


def test_nobody_logs_in_by_password(url: str) -> None:
    server = state.load(RUNS / str(os.getpid()) / "rabbitmq-hub")
    assert server is not None
    password_url = broker.url(server, broker.ADMIN, server.password, "/")
    with closing(PikaHub(password_url, broker.ADMIN)) as admin, pytest.raises(LOST):
        admin.publish([parcel_for(LANZHOU)])
