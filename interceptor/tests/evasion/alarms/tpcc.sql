-- source: TPC Benchmark C, revision 5.11: its nine tables and the statements of its five transactions as the specification's sample programs
-- phrase them, with a few rows. The customers' telephone numbers (16 digits by the specification) fail the check digit, so that none is a card.
--@ setup
CREATE TABLE warehouse(w_id smallint PRIMARY KEY, w_name varchar(10), w_street_1 varchar(20), w_street_2 varchar(20), w_city varchar(20), w_state char(2), w_zip char(9), w_tax numeric(4,4), w_ytd numeric(12,2));
CREATE TABLE district(d_id smallint, d_w_id smallint REFERENCES warehouse, d_name varchar(10), d_street_1 varchar(20), d_street_2 varchar(20), d_city varchar(20), d_state char(2), d_zip char(9),
  d_tax numeric(4,4), d_ytd numeric(12,2), d_next_o_id int, PRIMARY KEY (d_w_id, d_id));
CREATE TABLE customer(c_id int, c_d_id smallint, c_w_id smallint, c_first varchar(16), c_middle char(2), c_last varchar(16), c_street_1 varchar(20), c_street_2 varchar(20), c_city varchar(20), c_state char(2),
  c_zip char(9), c_phone char(16), c_since timestamp, c_credit char(2), c_credit_lim numeric(12,2), c_discount numeric(4,4), c_balance numeric(12,2), c_ytd_payment numeric(12,2), c_payment_cnt smallint,
  c_delivery_cnt smallint, c_data varchar(500), PRIMARY KEY (c_w_id, c_d_id, c_id));
CREATE TABLE history(h_c_id int, h_c_d_id smallint, h_c_w_id smallint, h_d_id smallint, h_w_id smallint, h_date timestamp, h_amount numeric(6,2), h_data varchar(24));
CREATE TABLE new_order(no_o_id int, no_d_id smallint, no_w_id smallint, PRIMARY KEY (no_w_id, no_d_id, no_o_id));
CREATE TABLE oorder(o_id int, o_d_id smallint, o_w_id smallint, o_c_id int, o_entry_d timestamp, o_carrier_id smallint, o_ol_cnt smallint, o_all_local smallint, PRIMARY KEY (o_w_id, o_d_id, o_id));
CREATE TABLE order_line(ol_o_id int, ol_d_id smallint, ol_w_id smallint, ol_number smallint, ol_i_id int, ol_supply_w_id smallint, ol_delivery_d timestamp, ol_quantity smallint, ol_amount numeric(6,2),
  ol_dist_info char(24), PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number));
CREATE TABLE item(i_id int PRIMARY KEY, i_im_id int, i_name varchar(24), i_price numeric(5,2), i_data varchar(50));
CREATE TABLE stock(s_i_id int, s_w_id smallint, s_quantity smallint, s_dist_01 char(24), s_dist_02 char(24), s_ytd int, s_order_cnt smallint, s_remote_cnt smallint, s_data varchar(50), PRIMARY KEY (s_w_id, s_i_id));
INSERT INTO warehouse VALUES (1,'Main','1 Street','','Town','CA','123411111',0.1,300000);
INSERT INTO district SELECT g,1,'D'||g,'1 Street','','Town','CA','123411111',0.05,30000,4 FROM generate_series(1,2) g;
INSERT INTO customer SELECT g,1+g%2,1,'First'||g,'OE','BARBARBAR','1 Street','','Town','CA','123411111','0123456789012340','2026-01-01','GC',50000,0.1,-10,10,1,0,'some data' FROM generate_series(1,6) g;
INSERT INTO item SELECT g, g*7, 'item '||g, 1.5*g, 'ORIGINAL' FROM generate_series(1,20) g;
INSERT INTO stock SELECT g,1,50,repeat('a',24),repeat('b',24),0,0,0,'ORIGINAL' FROM generate_series(1,20) g;
INSERT INTO oorder SELECT g,d,1,g+d,'2026-01-01',NULL,2,1 FROM generate_series(1,3) g, generate_series(1,2) d;
INSERT INTO new_order SELECT o_id,o_d_id,o_w_id FROM oorder WHERE o_id > 1;
INSERT INTO order_line SELECT o_id,o_d_id,1,n,o_id+n,1,NULL,5,9.99,repeat('a',24) FROM oorder, generate_series(1,2) n;
GRANT ALL ON ALL TABLES IN SCHEMA public TO agent;
--@ run
BEGIN ISOLATION LEVEL SERIALIZABLE;
--@ bind 1|1|2
SELECT c_discount, c_last, c_credit, w_tax FROM customer, warehouse WHERE w_id = $1 AND c_w_id = w_id AND c_d_id = $2 AND c_id = $3;
SELECT d_next_o_id, d_tax FROM district WHERE d_id = 1 AND d_w_id = 1 FOR NO KEY UPDATE;
UPDATE district SET d_next_o_id = 4 + 1 WHERE d_id = 1 AND d_w_id = 1;
INSERT INTO oorder (o_id, o_d_id, o_w_id, o_c_id, o_entry_d, o_ol_cnt, o_all_local) VALUES (4, 1, 1, 2, '2026-01-02', 2, 1);
INSERT INTO new_order (no_o_id, no_d_id, no_w_id) VALUES (4, 1, 1);
--@ bind 7
SELECT i_price, i_name, i_data FROM item WHERE i_id = $1;
--@ bind 7|1
SELECT s_quantity, s_data, s_dist_01, s_dist_02 FROM stock WHERE s_i_id = $1 AND s_w_id = $2;
UPDATE stock SET s_quantity = 45 WHERE s_i_id = 7 AND s_w_id = 1;
INSERT INTO order_line (ol_o_id, ol_d_id, ol_w_id, ol_number, ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_dist_info) VALUES (4, 1, 1, 1, 7, 1, 5, 52.50, 'aaaaaaaaaaaaaaaaaaaaaaaa');
COMMIT WORK;
BEGIN;
--@ bind 12.50|1
UPDATE warehouse SET w_ytd = w_ytd + $1 WHERE w_id = $2;
SELECT w_street_1, w_street_2, w_city, w_state, w_zip, w_name FROM warehouse WHERE w_id = 1;
UPDATE district SET d_ytd = d_ytd + 12.50 WHERE d_w_id = 1 AND d_id = 1;
SELECT d_street_1, d_street_2, d_city, d_state, d_zip, d_name FROM district WHERE d_w_id = 1 AND d_id = 1;
SELECT count(c_id) FROM customer WHERE c_last = 'BARBARBAR' AND c_d_id = 1 AND c_w_id = 1;
DECLARE c_byname CURSOR FOR SELECT c_first, c_middle, c_id, c_street_1, c_street_2, c_city, c_state, c_zip, c_phone, c_credit, c_credit_lim, c_discount, c_balance, c_since
  FROM customer WHERE c_w_id = 1 AND c_d_id = 1 AND c_last = 'BARBARBAR' ORDER BY c_first;
FETCH c_byname;
FETCH c_byname;
CLOSE c_byname;
SELECT c_data FROM customer WHERE c_w_id = 1 AND c_d_id = 1 AND c_id = 2;
UPDATE customer SET c_balance = c_balance - 12.50, c_data = 'some data' WHERE c_w_id = 1 AND c_d_id = 1 AND c_id = 2;
INSERT INTO history (h_c_d_id, h_c_w_id, h_c_id, h_d_id, h_w_id, h_date, h_amount, h_data) VALUES (1, 1, 2, 1, 1, '2026-01-02', 12.50, 'Main    D1');
COMMIT WORK;
BEGIN;
SELECT c_balance, c_first, c_middle, c_last FROM customer WHERE c_id = 2 AND c_d_id = 1 AND c_w_id = 1;
SELECT o_id, o_carrier_id, o_entry_d FROM oorder WHERE o_w_id = 1 AND o_d_id = 1 AND o_c_id = 2 ORDER BY o_id DESC LIMIT 1;
SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line WHERE ol_o_id = 1 AND ol_d_id = 1 AND ol_w_id = 1;
COMMIT WORK;
BEGIN;
SELECT no_o_id FROM new_order WHERE no_d_id = 1 AND no_w_id = 1 ORDER BY no_o_id ASC LIMIT 1;
DELETE FROM new_order WHERE no_o_id = 2 AND no_d_id = 1 AND no_w_id = 1;
SELECT o_c_id FROM oorder WHERE o_id = 2 AND o_d_id = 1 AND o_w_id = 1;
UPDATE oorder SET o_carrier_id = 5 WHERE o_id = 2 AND o_d_id = 1 AND o_w_id = 1;
UPDATE order_line SET ol_delivery_d = '2026-01-03' WHERE ol_o_id = 2 AND ol_d_id = 1 AND ol_w_id = 1;
SELECT SUM(ol_amount) AS ol_total FROM order_line WHERE ol_o_id = 2 AND ol_d_id = 1 AND ol_w_id = 1;
UPDATE customer SET c_balance = c_balance + 19.98, c_delivery_cnt = c_delivery_cnt + 1 WHERE c_id = 3 AND c_d_id = 1 AND c_w_id = 1;
COMMIT WORK;
BEGIN;
SELECT d_next_o_id FROM district WHERE d_w_id = 1 AND d_id = 1;
SELECT COUNT(DISTINCT (s_i_id)) FROM order_line, stock WHERE ol_w_id = 1 AND ol_d_id = 1 AND ol_o_id < 5 AND ol_o_id >= 5 - 20 AND s_w_id = 1 AND s_i_id = ol_i_id AND s_quantity < 60;
COMMIT WORK;
