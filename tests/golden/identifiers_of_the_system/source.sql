CREATE TABLE odd (id INT PRIMARY KEY, ctid INT, oid INT, tableoid INT, note VARCHAR(5), KEY by_ctid (ctid));
INSERT INTO odd VALUES (1, 2, 3, 4, 'a');
CREATE TABLE others (xmin INT PRIMARY KEY, xmax INT, cmin INT, cmax INT);
INSERT INTO others VALUES (1, 2, 3, 4);
