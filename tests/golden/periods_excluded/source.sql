-- MariaDB alone has periods of application time.
-- MariaDB's application time.
CREATE TABLE rooms (id INT NOT NULL, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR stay (s, e), UNIQUE KEY no_overlap (id, stay WITHOUT OVERLAPS));
INSERT INTO rooms VALUES (1, '2024-01-01', '2024-01-05'), (1, '2024-01-05', '2024-01-09');
-- A key over the same columns that is none of a period.
CREATE TABLE plain (id INT NOT NULL, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR stay (s, e), UNIQUE KEY by_end (id, e, s), PRIMARY KEY (s, e));
CREATE TABLE `it's` (id INT NOT NULL, bytes VARBINARY(4) NOT NULL DEFAULT 0xFF00FE, `wo``rd` VARCHAR(9), since DATETIME(6), till DATETIME(6), PERIOD FOR `p``q` (since, till), PRIMARY KEY (id, `p``q` WITHOUT OVERLAPS), UNIQUE KEY `u``v` (`wo``rd`, `p``q` WITHOUT OVERLAPS) COMMENT '` WITHOUT OVERLAPS)');
INSERT INTO `it's` (id, `wo``rd`, since, till) VALUES (1, 'a', '2024-01-01', '2024-01-02 03:04:05.000006'), (1, NULL, '2024-01-02 03:04:05.000006', '2024-03-01'), (2, NULL, '2024-01-01', '2024-03-01'), (3, 'a', '2023-01-01', '2024-01-01');
