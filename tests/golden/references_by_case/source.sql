-- The source finds the parent without regard to case or spaces at the end.
CREATE TABLE parents (code VARCHAR(5) PRIMARY KEY) COLLATE utf8mb4_unicode_ci;
CREATE TABLE children (id INT PRIMARY KEY, code VARCHAR(5), CONSTRAINT children_code FOREIGN KEY (code) REFERENCES parents (code)) COLLATE utf8mb4_unicode_ci;
INSERT INTO parents VALUES ('Ab'), ('c');
INSERT INTO children VALUES (1, 'ab'), (2, 'Ab'), (3, 'c '), (4, 'C');
