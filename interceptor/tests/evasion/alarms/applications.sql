-- source: made for this; one of each kind of object that schema readers ask for, beside the corpus' own tables.
--@ setup
CREATE TABLE customers(id serial PRIMARY KEY, name varchar(80) NOT NULL, email text UNIQUE, born date, active boolean NOT NULL DEFAULT true, tags text[], score double precision);
CREATE TABLE accounts(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int NOT NULL REFERENCES customers(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, kind text NOT NULL CHECK (kind IN ('debit','credit')), opened timestamptz DEFAULT now(), balance numeric(12,2) NOT NULL DEFAULT 0, note text);
CREATE INDEX accounts_kind ON accounts(kind, opened DESC);
CREATE UNIQUE INDEX accounts_open ON accounts(customer_id) WHERE balance > 0;
CREATE INDEX accounts_lower ON accounts(lower(note));
CREATE TYPE mood AS ENUM ('calm','busy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE visits(id int PRIMARY KEY, customer_id int REFERENCES customers(id), mood mood, guests positive, span tstzrange, place point);
COMMENT ON TABLE visits IS 'who came'; COMMENT ON COLUMN visits.mood IS 'how';
CREATE VIEW active_customers AS SELECT id, name FROM customers WHERE active;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(balance) AS total FROM accounts GROUP BY customer_id;
CREATE SEQUENCE tickets_seq;
INSERT INTO customers(name,email,born,tags,score) VALUES ('Ada Alder','ada@example.org','1980-01-02','{a,b}',1.5),('Ben Birch','ben@example.org',NULL,NULL,NULL);
INSERT INTO accounts(customer_id,kind,opened,balance,note) VALUES (1,'debit','2026-01-02 03:04:05+00',10.50,'Main'),(1,'credit','2026-01-03 03:04:05+00',0,'Second'),(2,'debit','2026-01-04 03:04:05+00',-3,NULL);
INSERT INTO visits VALUES (1,1,'calm',2,'[2026-01-01,2026-01-02)','(1,2)');
REFRESH MATERIALIZED VIEW totals;
GRANT ALL ON ALL TABLES IN SCHEMA public TO agent;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO agent;
--@ run
