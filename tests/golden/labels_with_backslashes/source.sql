CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('back\\slash', 'two\\\\', '\\n', 'tab\tx', 'line\nx') NOT NULL DEFAULT 'back\\slash', s SET('a\\b', 'c'));
INSERT INTO choices VALUES (1, 'back\\slash', 'a\\b,c'), (2, 'two\\\\', 'c'), (3, '\\n', ''), (4, 'tab\tx', NULL), (5, 'line\nx', NULL);
