-- In the target an index's name is unique in its schema, and a table's is among them.
CREATE TABLE a (id INT PRIMARY KEY, n INT, KEY n (n), KEY b (id, n), KEY a_pkey (n, id));
CREATE TABLE b (id INT PRIMARY KEY, n INT, KEY n (n), KEY a (n, id), KEY b_n (id), UNIQUE KEY u (n));
CREATE TABLE a_n (id INT PRIMARY KEY, n INT, KEY n (n), UNIQUE KEY u (n));
INSERT INTO a VALUES (1, 1);
INSERT INTO b VALUES (1, 1);
INSERT INTO a_n VALUES (1, 1);
