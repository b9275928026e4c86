-- What a careless comparison takes for the same.
CREATE TABLE pairs (a VARCHAR(10), b VARCHAR(10), c VARCHAR(10));
INSERT INTO pairs VALUES ('12', '3', NULL), ('1', '23', ''), ('1', '23', NULL), ('a', 'A', 'a '), ('A', 'a', ' a'), ('NULL', NULL, ''), ('', NULL, 'NULL'), ('12', '3', NULL);
CREATE TABLE keyed (id INT PRIMARY KEY, v VARCHAR(10), n DECIMAL(5,2));
INSERT INTO keyed VALUES (1, ' a ', 1.10), (2, 'a', 1.1), (3, 'A', 0), (4, '', NULL), (5, NULL, 0.00);
