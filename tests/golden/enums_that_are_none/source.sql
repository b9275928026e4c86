-- What is no label has become the empty text, with the number 0.
SET sql_mode = '';
CREATE TABLE choices (id INT PRIMARY KEY, e ENUM('a', 'b') NOT NULL, s SET('x', 'y'));
INSERT INTO choices VALUES (1, 'z', 'z,x'), (2, 'b', 'y,x'), (3, 0, 0);
