-- MariaDB alone has periods of application time.
CREATE TABLE rooms (id INT NOT NULL, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR stay (s, e), UNIQUE KEY no_overlap (id, stay WITHOUT OVERLAPS));
INSERT INTO rooms VALUES (1, '2024-01-01', '2024-01-05'), (1, '2024-01-05', '2024-01-09');
