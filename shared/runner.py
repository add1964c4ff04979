"""Our runner: nameko's containers around the doors of one process, without nameko's ways of losing deliveries.

The process must have called `shared.settings.before_imports` first of all.
"""

import faulthandler
import os
import signal
import socket
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import eventlet
import structlog
from amqp import Message as Delivery
from amqp.exceptions import RecoverableConnectionError
from eventlet.semaphore import Semaphore
from nameko.extensions import Entrypoint, register_entrypoint
from nameko.runners import ServiceRunner

from shared import clock, metrics, topology
from shared.bus import AT_ONCE, Doors, Rejected, Timer, named
from shared.logs import where
from shared.outbox import Works, is_away
from shared.settings import Settings
from shared.topology import ATTEMPT, LOST, REASON, QueueDiffers

log = structlog.get_logger()

HEARTBEAT_SECONDS = 60
HANDLER_SECONDS = 60.0  # a handler that waits longer has failed; the broker would take 30 minutes to say so
GRACE_SECONDS = 9  # from SIGTERM to a hard end
LONGEST_PAUSE = 5.0  # so late does work go on once broker or database is back
IDLE_SECONDS = 20.0  # after which the way out for copies is opened anew
STALL_SECONDS = 1.0
TICK_SECONDS = 0.5
BEAT_SECONDS = 2.0
MEASURE_SECONDS = 15.0


class Copies:
    """The way out for copies: one connection, one copy at a time, opened when needed."""

    def __init__(self, amqp_url: str) -> None:
        self.amqp_url = amqp_url
        self.one_at_a_time = Semaphore()
        self.open: Any = None
        self.used_at = 0.0

    def send(self, queue: str, delivery: Delivery, headers: dict[str, Any]) -> None:
        """Return when a copy is safe in `queue`; raises one of LOST when that is not known."""
        with self.one_at_a_time:
            if clock.monotonic() - self.used_at > IDLE_SECONDS:
                self.drop()  # a firewall may have forgotten it
            try:
                topology.publish_copy(self._channel(), queue, delivery, headers)
            except BaseException:
                self.drop()
                raise
            self.used_at = clock.monotonic()

    def _channel(self) -> Any:
        if self.open is None:
            context = topology.connected(self.amqp_url)
            self.open = (context, context.__enter__().channel())
        return self.open[1]

    def drop(self) -> None:
        """Close the connection if there is one."""
        if self.open is not None:
            context, self.open = self.open[0], None
            context.__exit__(None, None, None)


class Mailbox:
    """The queue of one service, from the broker to its doors and back to an answer for every delivery."""

    def __init__(self, doors: Doors, works: Works, copies: Copies) -> None:
        self.doors = doors
        self.works = works
        self.copies = copies
        self.service = doors.service
        self.ready = False  # consuming right now
        self.broken = False  # beyond repair by waiting
        self.in_hand = 0
        self.writing = Semaphore()  # two greenlets writing at once would mix their frames
        self.log_context = structlog.contextvars.get_contextvars()  # greenlets start without

    def run(self, spawn: Callable[[Delivery], None]) -> None:
        """Consume until told to stop and nothing is in hand; raises QueueDiffers when waiting cannot mend it."""
        structlog.contextvars.bind_contextvars(**self.log_context)
        pause = 1.0
        while not self.doors.stopping.is_set():
            try:
                with topology.connected(self.copies.amqp_url, HEARTBEAT_SECONDS) as link:
                    self._consume(link, spawn)
            except LOST as error:
                pause = 1.0 if self.ready else min(pause * 2, LONGEST_PAUSE)
                self.ready = False
                log.warning("broker_lost", service=self.service, error=type(error).__name__, seconds=pause)
                self.doors.stopping.wait(pause)

    def _done(self) -> bool:
        return self.doors.stopping.is_set() and not self.in_hand

    def _consume(self, link: Any, spawn: Callable[[Delivery], None]) -> None:
        channel = link.channel()
        channel.auto_decode = False
        topology.declare_on(channel, self.doors)
        channel.basic_qos(0, self.doors.at_once, False)
        tag = channel.basic_consume(self.service, callback=partial(self._arrived, spawn))
        self.ready = True
        log.info("consuming", service=self.service)
        while not self._done():
            if tag and self.doors.stopping.is_set():
                self.ready = False
                with self.writing:
                    channel.basic_cancel(tag)
                tag = ""
            self._turn(link)

    def _turn(self, link: Any) -> None:
        """Read what comes within a moment, on this very connection: py-amqp silently opens a new, deaf one for us."""
        if not link.connected:
            raise RecoverableConnectionError("the connection is gone")
        try:
            link.drain_events(timeout=TICK_SECONDS)
        except TimeoutError:
            with self.writing:
                link.heartbeat_tick()

    def _arrived(self, spawn: Callable[[Delivery], None], delivery: Delivery) -> None:
        self.in_hand += 1
        metrics.child(metrics.IN_HAND, self.service).inc()
        spawn(delivery)

    def take(self, delivery: Delivery) -> None:
        """Bring a delivery to its door and answer the broker. Raises nothing: nameko would log it, data and all."""
        structlog.contextvars.bind_contextvars(**self.log_context)
        attempts = topology.attempts_of(delivery) + 1
        pause = 1.0
        try:
            while not self._over(delivery, attempts):
                self.doors.stopping.wait(pause)
                if self.doors.stopping.is_set():
                    return  # unanswered: the broker gives it to the next process
                pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            self.in_hand -= 1
            metrics.child(metrics.IN_HAND, self.service).dec()

    def _over(self, delivery: Delivery, attempts: int) -> bool:
        """One attempt; False while the database is away, which is no fault of the message and uses up none of its tries."""
        try:
            with eventlet.Timeout(HANDLER_SECONDS):
                outcome = self.doors.handle(self.works, delivery.body)
        except (Exception, eventlet.Timeout) as error:
            if is_away(error):
                log.warning("database_away", service=self.service, error=type(error).__name__)
                return False
            with named(delivery.body, delivery.properties.get("message_id", "")):
                self._failed(delivery, attempts, error)
        else:
            metrics.child(metrics.HANDLED, self.service, outcome).inc()
            self._answer(delivery.channel.basic_ack, delivery)
        return True

    def _failed(self, delivery: Delivery, attempts: int, error: BaseException) -> None:
        if isinstance(error, Rejected):
            self._bury(delivery, attempts, error)
            return
        name = type(error).__name__
        log.warning("handler_failed", service=self.service, attempts=attempts, error=name, where=where(error))
        if attempts > len(self.doors.retry_delays):
            self._bury(delivery, attempts, Rejected(name))
            return
        queue = topology.retry_queue(self.service, self.doors.retry_delays[attempts - 1])
        if self._moved(queue, delivery, {ATTEMPT: attempts}):
            metrics.RETRIED.labels(self.service).inc()
        else:
            eventlet.sleep(1.0)  # the broker counts these, too
            self._answer(partial(delivery.channel.basic_reject, requeue=True), delivery)

    def _bury(self, delivery: Delivery, attempts: int, why: Rejected) -> None:
        metrics.DEAD.labels(self.service).inc()
        log.error("dead_letter", service=self.service, attempts=attempts, reason=str(why), code=why.code)
        if not self._moved(topology.dead_queue(self.service), delivery, {ATTEMPT: attempts, REASON: str(why)[:200]}):
            self._answer(partial(delivery.channel.basic_reject, requeue=False), delivery)

    def _moved(self, queue: str, delivery: Delivery, headers: dict[str, Any]) -> bool:
        try:
            self.copies.send(queue, delivery, headers)
        except LOST as error:
            log.warning("copy_failed", service=self.service, queue=queue, error=type(error).__name__)
            return False
        self._answer(delivery.channel.basic_ack, delivery)
        return True

    def _answer(self, answer: Callable[[int], None], delivery: Delivery) -> None:
        try:
            with self.writing:
                answer(delivery.delivery_tag)
        except LOST as error:  # it will come again, and the inbox will know it
            log.warning("answer_lost", service=self.service, error=type(error).__name__)


class Thread(Entrypoint):  # type: ignore[misc]
    """What nameko starts, stops and kills with a service: one greenlet that heeds `doors.stopping`."""

    def __init__(self, mailbox: Mailbox, *more: Any) -> None:
        super().__init__()
        self.mailbox = mailbox
        self.more = more

    def start(self) -> None:
        """Run from now on."""
        self.thread = self.container.spawn_managed_thread(self._guarded)

    def _guarded(self) -> None:
        """Whatever escapes ends the process in order; nameko would kill this service and wait for the others."""
        try:
            self.run()
        except Exception as error:
            log.critical("thread_failed", error=type(error).__name__, where=where(error))
            self.mailbox.broken = True
            signal.raise_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Return when everything in hand is done, or can no longer be."""
        self.mailbox.doors.stopping.set()
        self.thread.wait()

    def kill(self) -> None:
        """Let go at once."""
        self.thread.kill()

    @abstractmethod
    def run(self) -> None:
        """What the greenlet does."""


class Listen(Thread):
    """nameko's view of a mailbox: every delivery becomes a worker."""

    def run(self) -> None:
        """Consume."""
        self.mailbox.run(self._spawn)

    def _spawn(self, delivery: Delivery) -> None:
        worker = partial(self.container.spawn_worker, self, (delivery,), {})
        self.container.spawn_managed_thread(worker, identifier="delivery")  # waits while all workers are busy


class Every(Thread):
    """A timer of a service; its lease lets one replica at a time do the work."""

    def run(self) -> None:
        """Tick, first at once."""
        structlog.contextvars.bind_contextvars(**self.mailbox.log_context)
        doors, [timer] = self.mailbox.doors, self.more
        while not doors.stopping.is_set():
            done = self._tick(timer)
            doors.stopping.wait(timer.seconds if done else min(timer.seconds, LONGEST_PAUSE))

    def _tick(self, timer: Timer) -> bool:
        try:
            return self.mailbox.doors.run_timer(self.mailbox.works, timer, f"{socket.gethostname()}/{os.getpid()}")
        except Exception:  # it has been logged, and is due again soon
            return False


def service_class(mailbox: Mailbox) -> type:
    """A nameko service whose only method takes deliveries; its timers hang there, too."""

    def receive(_service: Any, delivery: Delivery) -> None:
        mailbox.take(delivery)

    register_entrypoint(receive, Listen(mailbox))
    for timer in mailbox.doors.timers:
        register_entrypoint(receive, Every(mailbox, timer))
    return type(mailbox.service, (), {"name": mailbox.service, "receive": receive})


def serve(services: Sequence[tuple[Doors, Works]], settings: Settings, process: str) -> None:
    """Serve these doors until SIGTERM. SystemExit(1) with a log line when that can never work.

    The queues of all other services of the node should have been declared, too (`topology.declare`).
    """
    every = [doors for doors, _ in services]
    signal.signal(signal.SIGTERM, lambda _number, _frame: _end(every))
    metrics.beat(settings.home, process, ready=False)
    metrics.serve(settings.metrics_host, settings.metrics_port)
    copies = Copies(settings.amqp_url)
    mailboxes = [Mailbox(doors, works, copies) for doors, works in services]
    eventlet.spawn(_watch, mailboxes, settings, process)
    _wait_for("broker", every[0], lambda: topology.declare(settings.amqp_url, every))
    _wait_for("database", every[0], lambda: prove_cooperative(services[0][1]))
    runner = ServiceRunner({"max_workers": AT_ONCE})
    for mailbox in mailboxes:
        runner.add_service(service_class(mailbox))
    if not every[0].stopping.is_set():
        runner.start()
        eventlet.spawn(_measure, every, settings.amqp_url)
        eventlet.spawn(_stop_when_told, every[0], runner)
        runner.wait()
    copies.drop()
    faulthandler.cancel_dump_traceback_later()
    if any(mailbox.broken for mailbox in mailboxes):
        raise SystemExit(1)


def _end(every: Sequence[Doors]) -> None:
    """On SIGTERM: a hard end by another thread if a tidy one takes too long, e.g. because nobody answers any more."""
    faulthandler.dump_traceback_later(GRACE_SECONDS, exit=True)
    for doors in every:
        eventlet.spawn_n(doors.stopping.set)  # later: a signal handler must not wait for a lock


def _stop_when_told(first: Doors, runner: ServiceRunner) -> None:
    first.stopping.wait()
    runner.stop()


def _wait_for(what: str, first: Doors, attempt: Callable[[], None]) -> None:
    """Try until it works or SIGTERM comes; SystemExit(1) for what waiting cannot mend."""
    pause = 1.0
    while not first.stopping.is_set():
        try:
            attempt()
            return
        except QueueDiffers:
            raise SystemExit(1) from None
        except Exception as error:
            log.warning(f"{what}_not_there", error=type(error).__name__, seconds=pause)
            first.stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def prove_cooperative(works: Works) -> None:
    """SystemExit(1) unless greenlets run while one of them waits for the database."""
    turns = 0

    def turn() -> None:
        nonlocal turns
        while True:
            eventlet.sleep(0.01)
            turns += 1

    thread = eventlet.spawn(turn)
    connection = works.engine.raw_connection()
    try:
        connection.cursor().execute("SELECT pg_sleep(0.2)")
    finally:
        connection.close()
        thread.kill()
    if turns < 3:
        log.critical("database_blocks_everything", hint="call shared.settings.before_imports first of all")
        raise SystemExit(1)


def _watch(mailboxes: Sequence[Mailbox], settings: Settings, process: str) -> None:
    """Notice handlers that let nobody else run, and say how we are."""
    structlog.contextvars.bind_contextvars(**mailboxes[0].log_context)
    due = 0.0
    while True:
        before = clock.monotonic()
        eventlet.sleep(TICK_SECONDS)
        late = clock.monotonic() - before - TICK_SECONDS
        if late > STALL_SECONDS:
            log.error("hub_stalled", seconds=round(late, 1))
        if clock.monotonic() >= due:
            due = clock.monotonic() + BEAT_SECONDS
            ready = late <= STALL_SECONDS and all(mailbox.ready for mailbox in mailboxes)
            metrics.beat(settings.home, process, ready=ready)


def _measure(every: Sequence[Doors], amqp_url: str) -> None:
    """Keep the figures of our queues up to date."""
    while True:
        try:
            found = topology.depths(amqp_url, every)
        except LOST:
            found = {}
        for queue, depth in found.items():
            metrics.QUEUE_DEPTH.labels(queue).set(depth)
        for doors in every:
            metrics.DEAD_LETTERS.labels(doors.service).set(found.get(topology.dead_queue(doors.service), 0))
        eventlet.sleep(MEASURE_SECONDS)
