-- The tables of the yardstick (tests/bench/bare.py), made once in each service's schema; the last five are used in the
-- gateway's alone.

CREATE TABLE inbox (
  message_id varchar(36) PRIMARY KEY,
  received_at varchar(27) NOT NULL
);

CREATE TABLE outbox (
  position bigserial PRIMARY KEY,
  message_id varchar(36) NOT NULL,
  routing_key varchar(160) NOT NULL,
  body text NOT NULL,
  created_at varchar(27) NOT NULL
);

CREATE FUNCTION outbox_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('outbox', TG_TABLE_SCHEMA); RETURN NULL; END $$;

CREATE TRIGGER outbox_told AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION outbox_told();

CREATE TABLE rows (
  position bigserial PRIMARY KEY,
  case_id varchar(36) NOT NULL,
  kind varchar(80) NOT NULL,
  body text NOT NULL,
  sealed text,
  person_index varchar(32)
);

CREATE INDEX ON rows (case_id);

CREATE TABLE peers (
  node varchar(6) NOT NULL,
  direction varchar(3) NOT NULL,
  n bigint NOT NULL,
  chain varchar(64) NOT NULL,
  PRIMARY KEY (node, direction)
);

CREATE TABLE leases (
  name varchar(80) PRIMARY KEY,
  holder varchar(80) NOT NULL,
  until varchar(27) NOT NULL
);

CREATE TABLE log (
  peer varchar(6) NOT NULL,
  direction varchar(3) NOT NULL,
  n bigint NOT NULL,
  message_id varchar(36) NOT NULL UNIQUE,
  type varchar(120) NOT NULL,
  subject varchar(80) NOT NULL,
  body_sha256 varchar(64) NOT NULL,
  jws varchar(800) NOT NULL,
  at varchar(27) NOT NULL,
  prev varchar(64) NOT NULL,
  chain varchar(64) NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (peer, direction, n)
);

CREATE INDEX ON log (subject);

CREATE TABLE sendings (
  destination varchar(6) NOT NULL,
  seq bigint NOT NULL,
  message_id varchar(36) NOT NULL UNIQUE,
  type varchar(120) NOT NULL,
  routing_key varchar(160) NOT NULL,
  body text NOT NULL,
  jws varchar(800) NOT NULL,
  state varchar(12) NOT NULL,
  queued_at varchar(27) NOT NULL,
  sent_at varchar(27) NOT NULL,
  PRIMARY KEY (destination, seq)
);

CREATE INDEX ON sendings (state, destination, seq);

CREATE TABLE case_roles (
  case_id varchar(80) NOT NULL,
  node varchar(6) NOT NULL,
  role varchar(16) NOT NULL,
  active boolean NOT NULL,
  PRIMARY KEY (case_id, node, role)
);
