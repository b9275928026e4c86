SET foreign_key_checks = 0;
CREATE TABLE people (id INT PRIMARY KEY, boss INT, CONSTRAINT people_boss FOREIGN KEY (boss) REFERENCES people (id));
INSERT INTO people VALUES (1, NULL), (2, 1), (3, 99), (4, 3), (5, 4);
