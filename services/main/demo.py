"""`make demo`: five cities in one process, a case that crosses two of them, and its timeline on the screen."""

import datetime
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from deploy.children import is_free
from deploy.homes import CITIES
from services.intake.rules.legs import STEP_NAMES
from services.main.city import Country
from services.main.journey import (
    CLERKS,
    Counter,
    JourneyFailed,
    come,
    couple,
    run,
    until_blocked,
    until_task,
    wed,
)
from services.web.usecases.tokens import NewToken, create_token
from shared import clock

FIRST_BORN, DAYS_BORN = datetime.date(1950, 1, 1), 14_000
ENDS = (signal.SIGTERM, signal.SIGINT)
EMBEDDED = "这是内嵌模式:一个进程,不用任何服务器。真实的 RabbitMQ 和 PostgreSQL 用 `make up`。"


def show(folder: Path, once: bool) -> None:
    """Run the demonstration; stays open for the cities' APIs until Ctrl-C unless `once`.

    JourneyFailed when a port is taken, before anything is done.
    """
    began = clock.monotonic()
    if taken := [] if once else [str(city.http_port) for city in CITIES if not is_free(city.http_port)]:
        raise JourneyFailed(
            f"端口 {'、'.join(taken)} 被占用:另一个演示或 make up 还开着?先结束它,或者 DEMO_ONCE=1 make demo"
        )
    folder.mkdir(parents=True, exist_ok=True)
    country = Country(folder)
    country.start()
    try:
        ports = {city.code: country.serve(city.code, _wanted_port(city.http_port, once)) for city in CITIES}
        click.echo("通办演示:残疾人两项补贴资格认定“跨省通办”,三亚收件,兰州审定")
        counters = {name: _counter(country, *place, ports) for name, place in CLERKS.items()}
        case = run(counters, click.echo)
        for line in timeline(case):
            click.echo(line)
        _marry(counters)
        click.echo(f"  用时 {clock.monotonic() - began:.1f} 秒。{EMBEDDED}")
        if not once:
            _stay(ports)
    finally:
        country.stop()


def _marry(counters: dict[str, Counter]) -> None:
    """Two come to a counter in 三亚; he stands at one in 兰州, too, with another woman."""
    click.echo("通办演示:结婚登记“全国通办”,三亚办理;双方号码的占用由兰州主管")
    seconds = int(clock.now().timestamp())  # each demonstration has a couple of its own
    he, she = couple(FIRST_BORN + datetime.timedelta(days=seconds % DAYS_BORN))
    _, another = couple(FIRST_BORN - datetime.timedelta(days=1 + seconds % DAYS_BORN))
    desk, elsewhere = counters["registrar"], counters["other_registrar"]
    case_id = come(desk, [he, she], click.echo)
    until_task(desk, case_id, "examine")
    click.echo("同一个人又到兰州,要和另一个人登记:")
    task = until_blocked(elsewhere, come(elsewhere, [he, another], click.echo))["task"]
    click.echo(f"  {task['missing_facts'][0]['advice']}(在{task['ask_office']['name']})")
    click.echo("三亚接着办:")
    for line in timeline(wed(desk, case_id)):
        click.echo(line)


def _wanted_port(port: int, once: bool) -> int:
    return 0 if once else port


def _counter(country: Country, node: str, office: str, ports: dict[str, int]) -> Counter:
    with country.cities[node].works["web"].begin() as work:
        token = create_token(work, NewToken("clerk", f"demo-{office}", "演示", office=office, days=1))
    return Counter(f"http://127.0.0.1:{ports[node]}", token)


def timeline(case: dict[str, Any]) -> list[str]:
    """A finished case, a line a step: leg, time, office, what was done; then the clocks and the certificate."""
    names = {city.code: city.name for city in CITIES}
    lines = [f"  {case['matter_name']} {case['case_no']} {case['state_name']}"]
    for step in case["timeline"]:
        at = clock.instant(step["at"]).astimezone(clock.SHANGHAI)
        office = step["office"]
        place = f"{names.get(office['node'], office['node'])} {office['name']}"
        lines.append(f"  第{step['leg_no']}段 {at:%m-%d %H:%M:%S.%f}"[:-3] + f"  {STEP_NAMES[step['verb']]}  {place}")
    lines += [
        f"  时限 {item['title']}:{item['days']} 个工作日,{item['due_on']} 前,{item['ended_on']} 完成"
        for leg in case["legs"]
        for item in leg["clocks"]
    ]
    result = case["result"]
    verdict = {"granted": "准予", "refused": "不予"}.get(result["result"], result["result"])
    return [
        *lines,
        f"  结果 {verdict}{case['matter_name']}",
        f"  {result['certificate_name']} 证照标识 {result['certificate_id']}",
    ]


def _stay(ports: dict[str, int]) -> None:
    with suppress(KeyboardInterrupt):  # not told by an Event: a handler that waits for its lock may wait for ever
        for number in ENDS:
            signal.signal(number, signal.default_int_handler)
        for city in CITIES:
            click.echo(f"  {city.name} {city.code}: http://127.0.0.1:{ports[city.code]}/api/v1/openapi.json")
        click.echo("按 Ctrl-C 结束。")
        threading.Event().wait()
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)  # it is ending
    click.echo("已结束,数据都在,下一次接着用。")
