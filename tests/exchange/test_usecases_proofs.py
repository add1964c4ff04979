"""What the logs prove, and which changes of them are found."""

from dataclasses import replace

from sqlalchemy import delete, update

from contracts.exchange import LogAnchoredV1
from services.exchange import rules
from services.exchange.store import questions, tables
from services.exchange.usecases import proofs, receiving
from tests.exchange.cities import (
    LANZHOU,
    PARTIES,
    SANYA,
    City,
    chunk,
    delivery,
    forwarded,
    handed_over,
    new_case,
    progressed,
)


def exchange_anchors(one: City, other: City) -> None:
    for giver, taker in ((one, other), (other, one), (one, other)):
        proofs.anchor_logs(giver.works, all_peers=True)
        assert taker.gets(*giver.sends(*giver.told())) == []


def test_both_logs_fit_and_the_peer_confirms_what_it_has(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    sanya.gets(*lanzhou.sends(progressed(lanzhou, case)))
    exchange_anchors(sanya, lanzhou)
    check = proofs.verify_log(sanya.works, LANZHOU)
    assert (check.faults, check.missing) == ((), 0)
    assert check.receipted >= 1
    kinds = {(row.kind, row.peer) for row in lanzhou.rows(tables.anchors)}
    assert kinds == {(kind, SANYA) for kind in proofs.LAYS_DOWN}
    with sanya.works.begin() as work:
        sent, came = proofs.evidence(work, case)
    assert (sent.direction, sent.signature, sent.state, sent.peer) == ("out", "valid", "sent", LANZHOU)
    assert (came.direction, came.signature, came.state, came.receipt) == ("in", "valid", "", "")
    assert sent.receipt in {row.message_id for row in sanya.rows(tables.anchors)}


def test_an_anchor_is_sent_only_where_something_was_exchanged(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    assert proofs.anchor_logs(sanya.works) == 1
    assert proofs.anchor_logs(sanya.works) == 0
    lanzhou.gets(*sanya.sends(*sanya.told()))
    assert proofs.anchor_logs(lanzhou.works) == 1
    sanya.gets(*lanzhou.sends(*lanzhou.told()))
    assert proofs.anchor_logs(sanya.works) == 0, "an anchor alone is nothing to anchor"


def rewrite(city: City, **values: object) -> None:
    """Change the first line of a log and make its chain fit again, as its owner could."""
    with city.works.begin() as work:
        [line] = questions.list_log(work, LANZHOU, "out")
        fields = {name: getattr(line, name) for name in rules.Entry.__slots__} | values
        chain = rules.link(rules.GENESIS, rules.Entry(**fields))
        work.execute(update(tables.exchange_log).values(values | {"chain": chain}))
        work.execute(update(tables.peers).values(out_chain=chain))


def test_a_changed_line_is_found(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    with sanya.works.begin() as work:
        work.execute(update(tables.exchange_log).values(subject="another"))
    assert proofs.verify_log(sanya.works, LANZHOU).faults == ("out 1: the line was changed, or one before it is gone",)


def test_a_log_rewritten_by_its_owner_does_not_fit_what_the_peer_holds(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    proofs.anchor_logs(sanya.works)
    lanzhou.gets(*sanya.sends(*sanya.told()))
    proofs.anchor_logs(lanzhou.works)
    sanya.gets(*lanzhou.sends(*lanzhou.told()))
    with sanya.works.begin() as work:
        work.execute(
            delete(tables.exchange_log).where(tables.exchange_log.c.n > 1, tables.exchange_log.c.direction == "out")
        )
        work.execute(update(tables.peers).values(out_n=1))
    rewrite(sanya, at="2020-01-01T00:00:00.000000Z")
    assert "out 1: the peer holds another hash of this line" in proofs.verify_log(sanya.works, LANZHOU).faults


def test_a_peer_that_gives_two_hashes_for_one_line_is_found(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    for chain in (rules.GENESIS, "1" * 64):
        with lanzhou.works.begin() as work:
            work.execute(update(tables.peers).values(out_n=7, out_chain=chain))
        proofs.anchor_logs(lanzhou.works, all_peers=True)
        with lanzhou.works.begin() as work:
            work.execute(update(tables.peers).values(out_n=0 if chain == rules.GENESIS else 1))
        sanya.gets(*lanzhou.sends(*lanzhou.told()))
    assert proofs.verify_log(sanya.works, LANZHOU).faults == ("rewritten 7: the peer gives another hash than before",)


def test_a_log_shorter_than_the_peer_has_seen_it_is_found(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    exchange_anchors(sanya, lanzhou)
    with sanya.works.begin() as work:
        work.execute(delete(tables.exchange_log).where(tables.exchange_log.c.direction == "out"))
        work.execute(update(tables.peers).values(out_n=0, out_chain=rules.GENESIS))
    [fault] = proofs.verify_log(sanya.works, LANZHOU).faults
    assert fault.startswith("out 0: the peer has seen this log longer")


def test_a_head_that_does_not_fit_the_last_line_is_found(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    with lanzhou.works.begin() as work:
        work.execute(delete(tables.exchange_log))
    assert proofs.verify_log(lanzhou.works, SANYA).faults == ("in 0: the log does not end where it should",)


def test_a_message_that_was_swallowed_on_the_way_is_missing(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    sanya.sends(forwarded(sanya, new_case()))
    proofs.anchor_logs(sanya.works)
    lanzhou.gets(*sanya.sends(*sanya.told()))
    assert proofs.verify_log(lanzhou.works, SANYA).missing == 1


def test_a_receipt_for_something_else_is_found(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    with lanzhou.works.begin() as work:
        work.execute(update(tables.exchange_log).values(body_sha256="1" * 64))
    proofs.anchor_logs(lanzhou.works)
    sanya.gets(*lanzhou.sends(*lanzhou.told()))
    [fault] = proofs.verify_log(sanya.works, LANZHOU).faults
    assert fault == "differs 1: the peer confirms something else than we have sent"
    assert proofs.verify_log(sanya.works, LANZHOU).receipted == 0


def test_evidence_shows_a_body_that_was_changed(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    with lanzhou.works.begin() as work:
        work.execute(update(tables.exchange_log).values(body="{}"))
    with lanzhou.works.begin() as work:
        [exhibit] = proofs.evidence(work, case)
    assert exhibit.signature == "body_changed"


def test_pieces_of_files_are_proved_by_their_hash_alone(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    lanzhou.gets(*sanya.sends(chunk(sanya, case)))
    with lanzhou.works.begin() as work:
        assert [exhibit.signature for exhibit in proofs.evidence(work, case)] == ["valid", "not_kept"]


def test_the_gateways_keep_their_anchors_to_themselves(sanya: City, lanzhou: City) -> None:
    handed_over(sanya, lanzhou)
    proofs.anchor_logs(sanya.works)
    assert LogAnchoredV1.consumers == ()
    assert lanzhou.gets(*sanya.sends(*sanya.told())) == []


def test_no_name_or_number_lies_readable_in_any_table(sanya: City, lanzhou: City) -> None:
    case = handed_over(sanya, lanzhou)
    receiving.receive_batch(lanzhou.works, [replace(delivery(sanya.sends(chunk(sanya, case))[0]), jws="")])
    for city in (sanya, lanzhou):
        with city.works.begin() as work:
            work.execute(update(tables.peers).values(unanchored=0))
        city.works.engine.dispose()
        for path in city.works.node.home.glob("exchange.db*"):
            assert PARTIES["parties"][0]["name"].encode() not in path.read_bytes()
            assert PARTIES["parties"][0]["id_number"].encode() not in path.read_bytes()
