CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('it''s', '"q"', '''', '`', 'a,b', ')', '(') NOT NULL DEFAULT 'it''s', s SET('it''s', '"'));
INSERT INTO choices VALUES (1, 'it''s', 'it''s,"'), (2, '"q"', '"'), (3, '''', ''), (4, '`', NULL), (5, 'a,b', NULL), (6, ')', NULL), (7, '(', NULL);
