CREATE TABLE log (at DATETIME, line TEXT, n INT);
INSERT INTO log VALUES ('2024-01-01 00:00:00', 'same', 1), ('2024-01-01 00:00:00', 'same', 1), (NULL, NULL, NULL), (NULL, NULL, NULL), ('2024-01-02 00:00:00', '', 0);
CREATE TABLE unique_only (a INT NOT NULL, b VARCHAR(5) NOT NULL, c INT, UNIQUE KEY by_a (a), UNIQUE KEY by_b_c (b, c));
INSERT INTO unique_only VALUES (1, 'a', NULL), (2, 'a', NULL), (3, 'b', 1);
CREATE TABLE no_rows (a INT, b TEXT);
CREATE TABLE blobs (b BLOB, f FLOAT, d DOUBLE, j JSON);
INSERT INTO blobs VALUES (0x00, 0.1, 0.1, '{}'), (0x00, 0.1, 0.1, '{}'), (NULL, NULL, NULL, NULL);
