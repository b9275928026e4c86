CREATE TABLE scraps (id INT PRIMARY KEY, v VARCHAR(20), t TEXT NOT NULL, c CHAR(5), raw VARBINARY(20));
INSERT INTO scraps VALUES (1, 'a\0b', '\0', 'x\0', 'a\0b'), (2, '', '', '', ''), (3, NULL, 'whole', NULL, NULL), (4, '\0\0a', 'b', 'c', 'd');
CREATE TABLE loose (v VARCHAR(20), n INT);
INSERT INTO loose VALUES ('a\0', 1), ('a', 1), ('a', 1);
