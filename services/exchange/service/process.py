"""The exchange process: five threads that each do one thing over and over, and outlive whatever they talk to."""

import faulthandler
import logging
import random
import threading
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from services.exchange.rules import longer
from services.exchange.service.gateway import BATCH, Gateway
from services.exchange.service.link import LOST
from services.exchange.service.local_queue import LocalQueue
from services.exchange.service.pika_hub import PikaHub
from services.exchange.service.timers import doors, measure, measure_queues
from services.exchange.store.batches import ping
from shared import clock, metrics
from shared.bus import Doors
from shared.outbox import Works
from shared.settings import Settings

FETCH_SECONDS = 0.5
IDLE_SECONDS = 0.5  # another replica's messages wait at most so long for us
BEAT_SECONDS = 2.0
END_SECONDS = 8.0
GRACE_SECONDS = 9.0
DATABASE_SECONDS = 10.0  # between two looks whether it is back
MEASURE_SECONDS = 5.0
ALIVE_SECONDS = 120.0  # a turn longer than the slowest time-out of any of its steps

log = structlog.get_logger()

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Loop:
    """A thread's work: `session` returns when told to stop, and raises when what it talks to is gone."""

    name: str
    session: Callable[["Loop"], None]
    stop: threading.Event
    well: bool = False
    turned_at: float = 0.0

    def turned(self) -> None:
        """One round is done, and all ends were there."""
        self.well, self.turned_at = True, clock.monotonic()

    def run(self) -> None:
        """Sessions until told to stop, pauses of 1 to 60 s between those that fail."""
        pause = 0.0
        while not self.stop.is_set():
            try:
                self.session(self)
            except Exception as error:
                log.warning("exchange_interrupted", loop=self.name, error=type(error).__name__)
                pause = 0.0 if self.well else pause
            self.well = False
            if not self.stop.is_set():
                pause = longer(pause)
                self.stop.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that nodes do not come in step


def run(works: Works, settings: Settings, stop: threading.Event, process: str = "exchange") -> None:
    """Carry messages between the city's broker and the hub until `stop` is set; returns within END_SECONDS then.

    Threads that still wait for a dead peer are left behind: they end with the process, and all they hold comes again.
    """
    logging.getLogger("pika").setLevel(logging.WARNING)
    metrics.serve(settings.metrics_host, settings.metrics_port)
    hub = PikaHub(settings.hub_url, works.node.code, stop, settings.home)
    holder = f"{process}-{clock.new_id()}"
    gateway = Gateway(works, hub, holder)
    ways_in = doors()
    sessions: dict[str, Callable[[Loop], None]] = {
        "local": partial(_take_local, gateway, hub, partial(LocalQueue, settings.amqp_url, ways_in, stop)),
        "outward": partial(_publish, gateway, hub),
        "inward": partial(_receive, gateway, hub),
        "timers": partial(_keep_time, works, ways_in, holder),
        "figures": partial(_measure, works, settings.amqp_url, ways_in),
    }
    loops = [Loop(name, session, stop) for name, session in sessions.items()]
    threads = [
        threading.Thread(target=copy_context().run, args=(loop.run,), name=loop.name, daemon=True) for loop in loops
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(BEAT_SECONDS):
        metrics.beat(settings.home, process, ready=_ready(loops))
    _end(threads)


def end(stop: threading.Event) -> None:
    """On SIGTERM: a hard end by another thread if a tidy one takes too long."""
    faulthandler.dump_traceback_later(GRACE_SECONDS, exit=True)
    threading.Thread(target=stop.set, daemon=True).start()  # a signal handler must not wait for the Event's lock


def _ready(loops: list[Loop]) -> bool:
    return all(loop.well and clock.monotonic() - loop.turned_at < ALIVE_SECONDS for loop in loops)


def _end(threads: list[threading.Thread]) -> None:
    end = clock.monotonic() + END_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - clock.monotonic()))
    left = [thread.name for thread in threads if thread.is_alive()]
    if left:
        log.warning("exchange_left_behind", loops=left)


def _take_local(gateway: Gateway, hub: PikaHub, open_queue: Callable[[], LocalQueue], loop: Loop) -> None:
    """Local messages for other cities into the database."""
    _database_is_there(gateway.works)
    queue = open_queue()
    try:
        while not loop.stop.is_set():
            batch = queue.fetch(BATCH, FETCH_SECONDS)
            bodies = [got.body.decode("utf-8", "replace") for got in batch]
            outcomes = _until_done(loop, queue.rest, partial(gateway.send_batch, bodies)) if batch else []
            if batch and outcomes is not None:
                queue.answer(batch, outcomes)
                hub.wake()
            loop.turned()
    finally:
        queue.close()


def _publish(gateway: Gateway, hub: PikaHub, loop: Loop) -> None:
    """The database's pending messages to the hub."""
    try:
        while not loop.stop.is_set():
            if not gateway.publish_pending():
                hub.rest_outward(IDLE_SECONDS)
            loop.turned()
    finally:
        hub.close_outward()


def _receive(gateway: Gateway, hub: PikaHub, loop: Loop) -> None:
    """The hub's deliveries into the database."""
    _database_is_there(gateway.works)
    try:
        while not loop.stop.is_set():
            _until_done(loop, hub.rest_inward, partial(gateway.receive_pending, FETCH_SECONDS))
            loop.turned()
    finally:
        gateway.let_go()


def _database_is_there(works: Works) -> None:
    """Raises unless it is: what is fetched without it goes back, and a queue gives a message up after 20 times."""
    with works.begin() as work:
        ping(work)


def _until_done(loop: Loop, rest: Callable[[float], None], act: Callable[[], Answer]) -> Answer | None:
    """What `act` returns once it does not raise, None when told to stop; its connection is kept alive meanwhile."""
    pause = 0.0
    while not loop.stop.is_set():
        try:
            return act()
        except LOST:
            raise
        except Exception as error:
            loop.well, pause = False, min(longer(pause), DATABASE_SECONDS)
            log.warning("exchange_waits", loop=loop.name, error=type(error).__name__, seconds=pause)
        end = clock.monotonic() + pause
        while not loop.stop.is_set() and clock.monotonic() < end:
            rest(FETCH_SECONDS)
    return None


def _keep_time(works: Works, ways_in: Doors, holder: str, loop: Loop) -> None:
    """The timers."""
    due = dict.fromkeys([timer.name for timer in ways_in.timers], 0.0)
    while not loop.stop.is_set():
        for timer in ways_in.timers:
            if clock.monotonic() >= due[timer.name]:
                due[timer.name] = clock.monotonic() + timer.seconds
                ways_in.run_timer(works, timer, holder)
        loop.turned()
        loop.stop.wait(MEASURE_SECONDS)


def _measure(works: Works, amqp_url: str, ways_in: Doors, loop: Loop) -> None:
    """The figures; apart from the timers, which must not wait for the broker."""
    while not loop.stop.is_set():
        measure(works)
        measure_queues(amqp_url, ways_in)
        loop.turned()
        loop.stop.wait(MEASURE_SECONDS)
