"""Writes docker-compose.yml: two cities and the hub, one container per service and city."""

import json
from pathlib import Path

import click

from deploy.homes import City, city
from deploy.hub import definitions, development_passwords
from deploy.processes import FULL, Process, Site, environment, health

CODES = ("460200", "620100")  # all five would be too much for a laptop
FILE = Path(__file__).resolve().parents[1] / "docker-compose.yml"
HUB_FILE = Path(__file__).with_name("docker") / "hub.json"
HOMES = "/var/lib/tongban"
METRICS_PORT = 9464  # of every container, within its city's network

HEAD = """\
# Made by `python -m deploy.compose`: change that, not this; a test compares the two.
#
# Two cities and the hub between them, for trying out and for tests on one machine: `docker compose up --build --wait`.
# Each city has its own database, broker and home on a network and in volumes of its own; only its `exchange` also sees
# the hub, and only `setup`, which ends, sees the root's key and more than one home. Passwords are for development
# (TONGBAN_DEV_PASSWORD changes those of the cities) and nothing listens beyond 127.0.0.1. In production each city is
# an installation of its own, and logs in at the hub by certificate.
name: tongban

x-confined: &confined  # no container writes outside its volumes, or has any right beyond its user's
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  restart: unless-stopped
  logging:
    driver: json-file
    options: {max-size: 10m, max-file: "3"}

x-process: &process  # its user is in the image
  <<: *confined
  image: tongban:dev
  pull_policy: never
  init: true
  tmpfs: [/tmp]
  stop_grace_period: 15s

x-server: &server
  <<: *confined
  stop_grace_period: 30s
  deploy: {resources: {limits: {cpus: "2", memory: 768M, pids: 512}}}

x-postgres: &postgres
  <<: *server
  image: postgres:17
  user: postgres
  tmpfs: [/tmp, /var/run/postgresql]
  environment:
    POSTGRES_PASSWORD: "${TONGBAN_DEV_PASSWORD:-dev-only}"
  command: [postgres, -c, max_connections=200]
  shm_size: 128m
  healthcheck:
    test: [CMD, pg_isready, -h, 127.0.0.1, -U, postgres]
    interval: 3s
    timeout: 5s
    retries: 20

x-rabbitmq: &rabbitmq
  <<: *server
  image: rabbitmq:4.0-management
  user: rabbitmq
  tmpfs: [/tmp]
  healthcheck:  # its listener opens when all else is up; rabbitmqctl would cost a second of CPU each time
    test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/5672"]
    interval: 3s
    timeout: 5s
    retries: 40

x-healthcheck: &healthcheck
  interval: 10s
  timeout: 10s
  retries: 3
  start_period: 60s

services:
  setup:  # makes roles, schemas, keys and the directory, and ends; safe to run again
    <<: *process
    build: {context: ., dockerfile: deploy/Dockerfile}
    command: [setup, <CODES>]
    environment:
      TONGBAN_HOME: /var/lib/tongban
      TONGBAN_ADMIN_DATABASE_URL: "postgresql+psycopg://postgres:${TONGBAN_DEV_PASSWORD:-dev-only}@db-{node}:5432/postgres"
    volumes: ["root:/var/lib/tongban", <HOMES>]
    restart: "no"
    depends_on: {<DATABASES>}
    networks: [<NETWORKS>]
    deploy: {resources: {limits: {cpus: "1", memory: 384M, pids: 128}}}

  hub:
    <<: *rabbitmq
    hostname: hub
    volumes:
      - hub:/var/lib/rabbitmq
      - ./deploy/docker/hub.conf:/etc/rabbitmq/rabbitmq.conf:ro
      - ./deploy/docker/hub.json:/etc/rabbitmq/definitions.json:ro
    networks: [backbone]
"""

CITY = """
  # {name}

  db-{code}:
    <<: *postgres
    volumes: ["db-{code}:/var/lib/postgresql/data"]
    networks: [city-{code}]

  broker-{code}:
    <<: *rabbitmq
    hostname: broker-{code}
    environment:
      RABBITMQ_DEFAULT_USER: "{code}"
      RABBITMQ_DEFAULT_PASS: "${{TONGBAN_DEV_PASSWORD:-dev-only}}"
      RABBITMQ_DEFAULT_VHOST: city
    volumes:
      - broker-{code}:/var/lib/rabbitmq
      - ./deploy/docker/broker.conf:/etc/rabbitmq/rabbitmq.conf:ro
    networks: [city-{code}]
"""

PROCESS = """
  {name}-{code}:
    <<: *process
    command: [{command}]
    environment:
{variables}
    volumes: ["{volume}"]
    healthcheck:
      <<: *healthcheck
      test: [CMD, {health}]
    depends_on:
      setup: {{condition: service_completed_successfully}}
      broker-{code}: {{condition: service_healthy}}{hub}
    networks: {networks}{ports}
    deploy: {{resources: {{limits: {{cpus: "1", memory: {memory}M, pids: 256}}}}}}
"""


def compose() -> str:
    """The text of docker-compose.yml."""
    cities = [city(code) for code in CODES]
    head = HEAD.replace("<CODES>", ", ".join(f'"{code}"' for code in CODES))
    head = head.replace("<HOMES>", ", ".join(f'"{_home_volume(code)}"' for code in CODES))
    head = head.replace("<DATABASES>", ", ".join(f"db-{code}: {{condition: service_healthy}}" for code in CODES))
    head = head.replace("<NETWORKS>", ", ".join(f"city-{code}" for code in CODES))
    return head + "".join(map(_city, cities)) + _networks() + _volumes()


def _city(here: City) -> str:
    site = Site(
        node=here.code,
        home=f"{HOMES}/{here.code}",
        database_urls={process.role: _database_url(here.code, process.role) for process in FULL},
        amqp_url=f"amqp://{here.code}:${{TONGBAN_DEV_PASSWORD:-dev-only}}@broker-{here.code}:5672/city",
        hub_url=f"amqp://{here.code}:dev-{here.code}@hub:5672/xchg",
        http_port=here.http_port,
        metrics_ports={process.name: METRICS_PORT for process in FULL},
    )
    return CITY.format(name=here.name, code=here.code) + "".join(_process(process, site) for process in FULL)


def _home_volume(code: str) -> str:
    return f"home-{code}:{HOMES}/{code}"


def _database_url(code: str, role: str) -> str:
    """Without a password: that is in the file which `setup` leaves in the node's home."""
    return f"postgresql+psycopg://{code}_{role}@db-{code}:5432/tongban_{code}"


def _process(process: Process, site: Site) -> str:
    variables = environment(process, site) | {
        "PGPASSFILE": f"{site.home}/pgpass",
        "TONGBAN_HTTP_HOST": "0.0.0.0",  # noqa: S104 - inside its container; only the API is published, on loopback
    }
    if process.dials_hub:
        variables["TONGBAN_METRICS_HOST"] = _inside_name(process, site)
    port = site.http_port
    return PROCESS.format(
        name=process.name,
        code=site.node,
        command=", ".join(process.command),
        variables="\n".join(f'      {key}: "{value}"' for key, value in variables.items()),
        volume=_home_volume(site.node),
        health=", ".join(health(process)),
        hub="\n      hub: {condition: service_healthy}" if process.dials_hub else "",
        networks=_joined(process, site),
        ports=f'\n    ports: ["127.0.0.1:{port}:{port}"]' if process.serves_http else "",
        memory=process.memory_mb,
    )


def _inside_name(process: Process, site: Site) -> str:
    """A name of the container that only its city's network knows, so that it leads to its address there."""
    return f"{process.name}-inside-{site.node}"


def _joined(process: Process, site: Site) -> str:
    """A container's networks. What also sits at the hub shows its figures to its own city only."""
    own = f"city-{site.node}"
    if process.dials_hub:
        return f"{{{own}: {{aliases: [{_inside_name(process, site)}]}}, backbone: {{}}}}"
    return f"[{', '.join([own, *[f'front-{site.node}'] * process.serves_http])}]"


def _networks() -> str:
    inner = "".join(f"  city-{code}: {{internal: true}}\n" for code in CODES)
    front = "".join(f"  front-{code}: {{}}\n" for code in CODES)
    return f"\nnetworks:\n  backbone: {{internal: true}}\n{inner}{front}"


def _volumes() -> str:
    names = ["root", "hub", *(f"{kind}-{code}" for code in CODES for kind in ("home", "db", "broker"))]
    return "\nvolumes:\n" + "".join(f"  {name}: {{}}\n" for name in names)


def hub_definitions() -> str:
    """The text of the hub's definitions, with development passwords."""
    made = definitions([{"code": code} for code in CODES], passwords=development_passwords(CODES))
    return json.dumps(made, indent=1) + "\n"


@click.command()
def cli() -> None:
    """Write docker-compose.yml and the definitions of its hub anew."""
    for path, text in ((FILE, compose()), (HUB_FILE, hub_definitions())):
        path.write_text(text)
        click.echo(f"wrote {path.name}")


if __name__ == "__main__":
    cli()
