-- A label keeps no space at its end.
CREATE TABLE choices (id INT PRIMARY KEY, e ENUM(' a', 'b ', 'C', 'd  e'));
INSERT INTO choices VALUES (1, ' a'), (2, 'b'), (3, 'c'), (4, 'd  e');
